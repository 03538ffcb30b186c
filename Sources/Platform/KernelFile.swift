/// Readers for the small files of /proc and /sys.
enum KernelFile {
  /// The read limit in bytes, larger than any file that is read here; the rest of a larger file would be ignored.
  private static let longest = 1 << 20

  /// - Returns: nil if the file does not exist or cannot be read.
  static func text(_ path: String) -> String? {
    guard let file = try? File.open(path, .read) else { return nil }
    // fstat(2) reports the size of these files as 0.
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    var text: [UInt8] = []
    while text.count < longest {
      guard let count = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0, at: text.count) }) else {
        return nil
      }
      text += bytes.prefix(count)
      if count < bytes.count { break }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The first word of the file.
  static func word(_ path: String) -> String? {
    text(path).map { String(decoding: $0.utf8.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self) }
  }

  static func number(_ path: String) -> Int? { word(path).flatMap { Int($0) } }
}
