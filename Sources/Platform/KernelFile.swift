/// What the kernel tells in small files of /proc and /sys.
enum KernelFile {
  /// Longer than any that is read here, in bytes: the rest would be left out.
  private static let longest = 1 << 20

  /// - Returns: nil where there is none, or none that may be read.
  static func text(_ path: String) -> String? {
    guard let file = try? File.open(path, .read) else { return nil }
    // Their size is 0 as far as fstat(2) knows.
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

  /// Its first word.
  static func word(_ path: String) -> String? {
    text(path).map { String(decoding: $0.utf8.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self) }
  }

  static func number(_ path: String) -> Int? { word(path).flatMap { Int($0) } }
}
