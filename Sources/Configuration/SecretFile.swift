import Platform

/// A file with the value of a variable, usually a secret.
enum SecretFile {
  /// Longer files are cut.
  private static let longest = 64 << 10

  static func text(of path: String) throws -> String {
    let file = try File.open(path, .read)
    var bytes = [UInt8](repeating: 0, count: longest)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
