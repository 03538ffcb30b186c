/// Paths, told apart by their bytes. As `String`s two names are equal that differ in composed and decomposed letters alone;
/// on disk they are two files.
package struct PathSet: Sendable {
  private var keys: Set<[UInt8]> = []

  package init() {}

  init(_ paths: [String]) { for path in paths { insert(path) } }

  package mutating func insert(_ path: String) { keys.insert(path.pathKey) }

  /// Returns true if it was there.
  package mutating func remove(_ path: String) -> Bool { keys.remove(path.pathKey) != nil }

  package func contains(_ path: String) -> Bool { keys.contains(path.pathKey) }

  package var count: Int { keys.count }
  package var isEmpty: Bool { keys.isEmpty }

  /// In no order.
  package var paths: [String] { keys.map { String(decoding: $0, as: UTF8.self) } }
}
