import TestSupport
import Testing

@testable import Wire

private func probe(_ bytes: [UInt8]) -> ImageProbe { bytes.withUnsafeBytes { ImageProbe($0) } }

private func big16(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)] }
private func big32(_ number: Int) -> [UInt8] { big16(number >> 16) + big16(number) }

private func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
  big32(8 + content.count) + Array(type.utf8) + content
}

@Suite struct ImageProbeTests {
  private static let sizes: [(name: String, format: String, width: Int, height: Int)] = [
    ("Größe 100 % été.png", "png", 300, 300), ("balloons.jpg", "jpeg", 640, 400),
    ("landscape/alpine meadow.JPG", "jpeg", 640, 400), ("landscape/dunes.webp", "webp", 640, 400),
    ("landscape/dusk.jpg", "jpeg", 640, 400), ("landscape/moonlit sea.png", "png", 480, 300),
    ("orbits.gif", "gif", 200, 200), ("shapes/lissajous.jpeg", "jpeg", 480, 320),
    ("shapes/stained glass.webp", "webp", 480, 480), ("shapes/sunflower.png", "png", 400, 400),
    ("shapes/tiles.bmp", "bmp", 180, 180), ("shapes/truchet.gif", "gif", 480, 320),
  ]

  @Test("the samples are recognized", arguments: ImageProbeTests.sizes)
  func samplesAreRecognized(name: String, format: String, width: Int, height: Int) throws {
    let found = probe(try ImageSamples.bytes(name))
    #expect(found.format == format)
    #expect(found.width == width)
    #expect(found.height == height)
  }

  @Test("a truncated sample never crashes the probe", arguments: ImageProbeTests.sizes)
  func truncatedSampleDoesNotCrash(name: String, format: String, width: Int, height: Int) throws {
    let bytes = try ImageSamples.bytes(name)
    for count in Array(0..<min(2_048, bytes.count)) + Array(stride(from: 2_048, to: bytes.count, by: 997)) {
      let found = probe(Array(bytes.prefix(count)))
      #expect(found.width == nil || found.width == width)
      #expect(["", format].contains(found.format))
    }
  }

  @Test("a progressive JPEG is read after its other segments") func progressiveJPEGIsRead() {
    let jpeg: [UInt8] =
      [0xFF, 0xD8, 0xFF, 0xE1] + big16(6) + [0xFF, 0xC0, 0xFF, 0xC2] + [0xFF, 0xFF, 0xDB] + big16(4) + [1, 2]
      + [0xFF, 0xC4] + big16(3) + [0] + [0xFF, 0xC2] + big16(17) + [8] + big16(321) + big16(65_535) + [3]
    let found = probe(jpeg)
    #expect(found.width == 65_535)
    #expect(found.height == 321)
    for count in jpeg.indices { _ = probe(Array(jpeg.prefix(count))) }
  }

  @Test(
    "a JPEG without a frame has no size",
    arguments: [
      [0xFF, 0xD8, 0xFF], [0xFF, 0xD8, 0xFF, 0xE0, 0, 0], [0xFF, 0xD8, 0xFF, 0xE0, 0, 1],
      [0xFF, 0xD8, 0xFF, 0xD9], [0xFF, 0xD8, 0xFF, 0xE0, 0xFF, 0xFF, 1], [0xFF, 0xD8, 0xFF, 0xFF, 0xFF],
    ])
  func framelessJPEGHasNoSize(bytes: [UInt8]) {
    #expect(probe(bytes).format == "jpeg")
    #expect(probe(bytes).width == nil)
  }

  @Test("a TIFF is read in either byte order", arguments: [true, false])
  func tiffIsReadInBothByteOrders(little: Bool) {
    func order(_ bytes: [UInt8]) -> [UInt8] { little ? bytes.reversed() : bytes }
    func entry(_ tag: Int, _ type: Int, _ value: [UInt8]) -> [UInt8] {
      order(big16(tag)) + order(big16(type)) + order(big32(1)) + value
    }
    let start = (little ? [0x49, 0x49, 0x2A, 0] : [0x4D, 0x4D, 0, 0x2A]) as [UInt8]
    let tiff =
      start + order(big32(10)) + [0, 0] + order(big16(3))
      + entry(256, 3, order(big16(800)) + [0, 0]) + entry(254, 4, order(big32(0))) + entry(257, 4, order(big32(70_000)))
    let found = probe(tiff)
    #expect(found.format == "tiff")
    #expect(found.width == 800)
    #expect(found.height == 70_000)
    for count in tiff.indices { #expect(probe(Array(tiff.prefix(count))).width == nil) }
  }

  @Test("a TIFF whose directory is outside the file has no size") func tiffDirectoryMustBeInside() {
    for offset in [0, 7, 0x7FFF_FFFF, 0xFFFF_FFFF] {
      #expect(probe([0x4D, 0x4D, 0, 0x2A] + big32(offset) + [0, 1]).width == nil)
    }
  }

  @Test("the largest size in a HEIF is the image's", arguments: [("avif", "avif"), ("heic", "heic"), ("mif1", "heif")])
  func largestHEIFSizeCounts(brand: String, format: String) {
    func ispe(_ width: Int, _ height: Int) -> [UInt8] { box("ispe", big32(0) + big32(width) + big32(height)) }
    let container = box("ipco", box("pixi", [0]) + ispe(160, 120) + ispe(4_000, 3_000) + ispe(512, 512))
    let file =
      box("ftyp", Array(brand.utf8) + big32(0)) + box("free", []) + box("meta", big32(0) + box("iprp", container))
      + box("mdat", [1, 2, 3])
    let found = probe(file)
    #expect(found.format == format)
    #expect(found.width == 4_000)
    #expect(found.height == 3_000)
    for count in file.indices { _ = probe(Array(file.prefix(count))) }
  }

  @Test("boxes with a false size are skipped") func falseBoxSizesAreSkipped() {
    let start = box("ftyp", Array("avif".utf8) + big32(0))
    for size in [0, 1, 7, 8, 9, 11, 0x7FFF_FFFF, 0xFFFF_FFFF] {
      let found = probe(start + big32(size) + Array("meta".utf8) + big32(0) + big32(size) + Array("iprp".utf8))
      #expect(found.format == "avif")
      #expect(found.width == nil)
    }
    #expect(probe(start + big32(10) + Array("meta".utf8) + [0, 0]).width == nil)
  }

  @Test("the height of a BMP may be negative") func bmpHeightMayBeNegative() {
    let head = Array("BM".utf8) + [UInt8](repeating: 0, count: 12)
    let found = probe(head + [40, 0, 0, 0] + [0x2C, 1, 0, 0] + [0x9C, 0xFF, 0xFF, 0xFF])
    #expect(found.width == 300)
    #expect(found.height == 100)
    #expect(probe(head + [12, 0, 0, 0] + [5, 0] + [6, 0]).height == 6)
  }

  @Test("the three kinds of WebP are read") func webPKindsAreRead() {
    func webp(_ kind: String, _ content: [UInt8]) -> ImageProbe {
      probe(Array("RIFF".utf8) + big32(0) + Array("WEBP\(kind)".utf8) + big32(0) + content)
    }
    let lossy = webp("VP8 ", [0, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0x90, 0x41])
    #expect(lossy.width == 640 && lossy.height == 400)
    let bits = 639 | 399 << 14
    let lossless = webp("VP8L", [0x2F] + big32(bits).reversed())
    #expect(lossless.width == 640 && lossless.height == 400)
    let extended = webp("VP8X", [0, 0, 0, 0, 0x7F, 2, 0, 0x8F, 1, 0])
    #expect(extended.width == 640 && extended.height == 400)
  }

  @Test("a size of zero is none") func zeroSizeIsNone() {
    let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + big32(13) + Array("IHDR".utf8)
    #expect(probe(png + big32(0) + big32(5)).width == nil)
    #expect(probe(png + big32(1) + big32(5)).height == 5)
  }

  @Test(
    "bytes that look like no image have no format",
    arguments: ["", "hello, this is text", "GIF88a....", "RIFF....WAVEfmt ", "<svg width='1'/>", "BM"])
  func otherBytesAreNoFormat(text: String) {
    #expect(probe(Array(text.utf8)) == probe([]))
    #expect(probe(Array(text.utf8)).format == "")
  }

  @Test("no mutation crashes the probe") func mutationsDoNotCrash() throws {
    var numbers = SeededNumbers(seed: 6)
    for (name, _, _, _) in Self.sizes {
      let head = Array(try ImageSamples.bytes(name).prefix(600))
      for _ in 0..<300 {
        var bytes = head
        for _ in 0..<8 { bytes[Int.random(in: 0..<64, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers) }
        _ = probe(bytes)
      }
    }
  }
}
