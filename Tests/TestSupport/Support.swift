package import Platform

package func contents(of path: String) throws -> [UInt8] {
  let file = try File.open(path, .read)
  var bytes = [UInt8](repeating: 0, count: try file.status().size)
  let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
  return Array(bytes.prefix(count))
}

package func digest(of text: String) -> Digest { Array(text.utf8).withUnsafeBytes { SHA256.hash($0) } }

/// The error of a body as a person reads it; nil if it refuses nothing.
package func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch { return "\(error)" }
}
