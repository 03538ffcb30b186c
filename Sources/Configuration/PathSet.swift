/// A set of paths, which are compared by their bytes. As `String`s, two names are equal if they differ only in composed
/// and decomposed letters. On disk they are two files.
package struct PathSet: Sendable {
  private var keys: Set<[UInt8]> = []

  package init() {}

  init(_ paths: [String]) { for path in paths { insert(path) } }

  package mutating func insert(_ path: String) { keys.insert(path.pathKey) }

  /// - Returns: true if the path was in the set.
  package mutating func remove(_ path: String) -> Bool { keys.remove(path.pathKey) != nil }

  package func contains(_ path: String) -> Bool { keys.contains(path.pathKey) }

  package var count: Int { keys.count }
  package var isEmpty: Bool { keys.isEmpty }

  /// The paths, in no particular order.
  package var paths: [String] { keys.map { String(decoding: $0, as: UTF8.self) } }
}
