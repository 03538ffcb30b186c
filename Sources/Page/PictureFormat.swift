/// How a picture's bytes are sent. The type comes from the bytes alone, never from a name.
enum PictureFormat {
  /// The type for a format that browsers show as a picture and as nothing else; nil for all others. SVG is a document
  /// that can run scripts, so it is not among them.
  static func contentType(_ format: String) -> String? {
    switch format {
    case "jpeg", "png", "gif", "webp", "avif", "bmp": "image/" + format
    default: nil
    }
  }

  private static let extensions: Set<String> = [
    "jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "tif", "tiff", "webp", "avif", "heic", "heif", "jxl",
  ]

  /// A value of `Content-Disposition` (RFC 6266) with a name that is safe to store: without paths, control characters and
  /// tricks of direction, and with an extension that nothing executes.
  static func disposition(_ name: String, isAttachment: Bool) -> String {
    let leaf = String(decoding: name.utf8.reversed().prefix { $0 != UInt8(ascii: "/") }.reversed(), as: UTF8.self)
    var safe = String.UnicodeScalarView()
    for scalar in leaf.unicodeScalars { safe.append(isSafe(scalar) ? scalar : "_") }
    var text = String(safe)
    while text.hasPrefix(".") { text.removeFirst() }
    let suffix = text.split(separator: ".").last.map { $0.lowercased() } ?? ""
    if !text.contains(".") || !extensions.contains(suffix) { text += ".bin" }
    let ascii = String(decoding: text.utf8.map { $0 < 0x80 ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    return "\(isAttachment ? "attachment" : "inline"); filename=\"\(ascii)\"; filename*=UTF-8''\(encoded(text))"
  }

  private static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
    default: !"\"\\/:*?<>|%;'`$&".unicodeScalars.contains(scalar)
    }
  }

  /// Percent-encoded, all but letters, digits and `-._`.
  private static func encoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        result.append(byte)
      default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
