/// Paths, told apart by their bytes. As `String`s two names are equal that differ in composed and decomposed letters alone;
/// on disk they are two files.
public struct PathSet: Sendable {
  private var keys: Set<[UInt8]> = []

  public init() {}

  init(_ paths: [String]) { for path in paths { insert(path) } }

  public mutating func insert(_ path: String) { keys.insert(path.pathKey) }

  /// Returns true if it was there.
  mutating func remove(_ path: String) -> Bool { keys.remove(path.pathKey) != nil }

  public func contains(_ path: String) -> Bool { keys.contains(path.pathKey) }

  public var count: Int { keys.count }
  public var isEmpty: Bool { keys.isEmpty }

  /// In no order.
  var paths: [String] { keys.map { String(decoding: $0, as: UTF8.self) } }
}
