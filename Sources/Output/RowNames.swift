/// Finds an image's name in the path that its row has. The path begins with the output's path as the consumer had it, which
/// may not be its path now.
struct RowNames {
  /// The beginnings that are known: the output's path now, and the last other one.
  private let own: String.UTF8View
  private var former: String.UTF8View?

  init(output: String) { own = (output == "/" ? "/" : output + "/").utf8 }

  /// - Parameter isStored: whether an image with a name is the one of this row. Asked if the path begins in a new way.
  /// - Returns: nil if no end of the path is such a name.
  mutating func name(of path: String, _ isStored: (String) throws -> Bool) rethrows -> String? {
    // By bytes: to Swift, a slash followed by a combining accent is another character.
    let bytes = path.utf8
    for start in [own, former] {
      if let start, bytes.starts(with: start), let name = String(bytes.dropFirst(start.count)) { return name }
    }
    var place = bytes.startIndex
    while let slash = bytes[place...].firstIndex(of: UInt8(ascii: "/")) {
      place = bytes.index(after: slash)
      if let name = String(bytes[place...]), try isStored(name) {
        former = String(decoding: bytes[..<place], as: UTF8.self).utf8
        return name
      }
    }
    return nil
  }
}
