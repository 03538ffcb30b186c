import Wire

/// No image header crashes the probe, and its results are consistent.
func fuzzProbe(_ bytes: UnsafeRawBufferPointer) {
  let probe = ImageProbe(bytes)
  let formats = ["", "jpeg", "png", "gif", "webp", "bmp", "tiff", "jxl", "avif", "heic", "heif"]
  require(formats.contains(probe.format), "an unknown format \(probe.format)")
  require((probe.width == nil) == (probe.height == nil), "both sides or none: \(probe)")
  if let width = probe.width, let height = probe.height {
    require(probe.format != "" && (1...(1 << 32)).contains(width) && (1...(1 << 32)).contains(height), "\(probe)")
  }
}
