/// The format of a file and, if they can be read, its width and height in pixels, found from the file's first bytes.
///
/// It fills columns of the CSV file. No file is refused because it does not look like an image.
public struct ImageProbe: Sendable, Equatable {
  /// In lower case: `jpeg`, `png`, ...; empty if the format is not recognised.
  public var format = ""
  public var width: Int?
  public var height: Int?

  /// - Parameter bytes: the beginning of the file. The longer it is, the more likely a JPEG's or HEIF's size is found.
  public init(_ bytes: UnsafeRawBufferPointer) {
    let reader = ByteReader(bytes)
    if reader.starts(with: [0xFF, 0xD8, 0xFF]) {
      format = "jpeg"
      readJPEG(reader)
    } else if reader.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      format = "png"
      set(reader.big32(16), reader.big32(20))
    } else if reader.text(0, 6) == "GIF87a" || reader.text(0, 6) == "GIF89a" {
      format = "gif"
      set(reader.little16(6), reader.little16(8))
    } else if reader.text(0, 4) == "RIFF", reader.text(8, 4) == "WEBP" {
      format = "webp"
      readWebP(reader)
    } else if reader.text(0, 2) == "BM", reader.little32(14) != nil {
      format = "bmp"
      readBMP(reader)
    } else if reader.starts(with: [0x49, 0x49, 0x2A, 0]) || reader.starts(with: [0x4D, 0x4D, 0, 0x2A]) {
      format = "tiff"
      readTIFF(reader, little: reader[0] == 0x49)
    } else if reader.starts(with: [0xFF, 0x0A]) || reader.starts(with: [0, 0, 0, 12, 0x4A, 0x58, 0x4C, 0x20]) {
      format = "jxl"
    } else if reader.text(4, 4) == "ftyp" {
      readHEIF(reader)
    }
  }

  private mutating func set(_ width: Int?, _ height: Int?) {
    guard let width, let height, width > 0, height > 0 else { return }
    (self.width, self.height) = (width, height)
  }

  /// Steps from marker to marker until a frame header. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.2.2
  private mutating func readJPEG(_ reader: ByteReader) {
    var place = 2
    while let byte = reader[place], byte == 0xFF, let marker = reader[place + 1] {
      switch marker {
      case 0xFF: place += 1
      case 0x01, 0xD0...0xD8: place += 2
      case 0xC0...0xC3, 0xC5...0xC7, 0xC9...0xCB, 0xCD...0xCF:
        return set(reader.big16(place + 7), reader.big16(place + 5))
      default:
        guard let length = reader.big16(place + 2), length >= 2 else { return }
        place += 2 + length
      }
    }
  }

  private mutating func readBMP(_ reader: ByteReader) {
    guard let header = reader.little32(14) else { return }
    if header == 12 { return set(reader.little16(18), reader.little16(20)) }
    // A negative height only means that the rows are stored from top to bottom.
    guard let width = reader.little32(18), let height = reader.little32(22) else { return }
    set(width, Int(Int32(truncatingIfNeeded: height).magnitude))
  }

  /// https://developers.google.com/speed/webp/docs/riff_container
  private mutating func readWebP(_ reader: ByteReader) {
    switch reader.text(12, 4) {
    case "VP8 ":
      guard let width = reader.little16(26), let height = reader.little16(28) else { return }
      set(width & 0x3FFF, height & 0x3FFF)
    case "VP8L":
      guard let bits = reader.little32(21) else { return }
      set(bits & 0x3FFF + 1, bits >> 14 & 0x3FFF + 1)
    case "VP8X":
      guard let width = reader.little24(24), let height = reader.little24(27) else { return }
      set(width + 1, height + 1)
    default: return
    }
  }

  /// The first image file directory's ImageWidth and ImageLength. TIFF 6.0, section 2
  private mutating func readTIFF(_ reader: ByteReader, little: Bool) {
    func number16(_ at: Int) -> Int? { little ? reader.little16(at) : reader.big16(at) }
    func number32(_ at: Int) -> Int? { little ? reader.little32(at) : reader.big32(at) }
    guard let directory = number32(4), let entries = number16(directory) else { return }
    var size: (width: Int?, height: Int?)
    for entry in 0..<entries {
      let place = directory + 2 + entry * 12
      guard let tag = number16(place), let type = number16(place + 2) else { return }
      let value = type == 3 ? number16(place + 8) : number32(place + 8)
      if tag == 256 { size.width = value }
      if tag == 257 { size.height = value }
    }
    set(size.width, size.height)
  }

  /// AVIF and HEIC store sizes in `ispe` boxes within meta/iprp/ipco. The largest is the image's; the others are those
  /// of its tiles or thumbnails. ISO/IEC 23008-12, 6.5.3
  private mutating func readHEIF(_ reader: ByteReader) {
    switch reader.text(8, 4) {
    case "avif", "avis": format = "avif"
    case "heic", "heix", "hevc", "hevx", "heim", "heis": format = "heic"
    case "mif1", "msf1": format = "heif"
    default: return
    }
    for meta in reader.boxes(0..<reader.count) where meta.type == "meta" {
      for properties in reader.boxes(meta.content.dropFirst(4)) where properties.type == "iprp" {
        for container in reader.boxes(properties.content) where container.type == "ipco" {
          for box in reader.boxes(container.content) where box.type == "ispe" {
            guard let width = reader.big32(box.content.lowerBound + 4),
              let height = reader.big32(box.content.lowerBound + 8)
            else { continue }
            if Double(width) * Double(height) > Double(self.width ?? 0) * Double(self.height ?? 0) {
              set(width, height)
            }
          }
        }
      }
    }
  }
}
