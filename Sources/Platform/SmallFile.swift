/// A small text file: a secret, a token, or a list of keys.
package enum SmallFile {
  /// - Parameter limit: in bytes. Longer files are cut.
  package static func text(of path: String, atMost limit: Int = 64 << 10) throws(SystemError) -> String {
    let file = try File.open(path, .read)
    var bytes = [UInt8](repeating: 0, count: limit)
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(SystemError) in try file.read(into: buffer, at: 0) }
    }
    return String(decoding: bytes.prefix(try result.get()), as: UTF8.self)
  }
}
