/// A name under which an image can be stored: a path relative to the output folder that cannot lead out of it.
public struct ImageName: Sendable, Hashable {
  public let value: String
  /// The sub-folders of the path, outermost first; empty for a file at the top.
  public let folders: [String]
  /// The file's own name.
  public let leaf: String

  /// The folder within the output that is reserved for the consumer's own files.
  public static let reserved = ".image-pipeline"
  /// The database in `reserved` that marks a folder as an output.
  public static let catalog = "catalog.sqlite"
  /// The longest path component that every file system in use accepts, in bytes.
  package static let longestComponent = 255
  /// The longest name, in bytes. It leaves room for the output folder's path within Linux' limit of 4,096 bytes for a
  /// path.
  package static let longestName = 3_072

  /// - Throws: `Refusal` with the reason, which a dead letter carries.
  public init(_ name: String) throws(Refusal) {
    func refuse(_ reason: String) -> Refusal { Refusal(name: name, reason: reason) }
    guard !name.isEmpty else { throw refuse("it is empty") }
    guard name.utf8.count <= Self.longestName else { throw refuse("it is longer than \(Self.longestName) bytes") }
    guard !name.utf8.contains(0) else { throw refuse("it holds a NUL byte") }
    guard name.utf8.first != UInt8(ascii: "/") else { throw refuse("it is an absolute path") }
    // Split by bytes: a slash followed by a combining accent is a different character, but the kernel sees a slash.
    let components = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String($0)! }
    for component in components {
      guard !component.isEmpty else { throw refuse("it has an empty component") }
      guard component != ".", component != ".." else { throw refuse("it has a component \"\(component)\"") }
      guard component.utf8.count <= Self.longestComponent else {
        throw refuse("it has a component of more than \(Self.longestComponent) bytes")
      }
    }
    guard components[0] != Self.reserved else { throw refuse("\(Self.reserved) belongs to the consumer") }
    value = name
    folders = components.dropLast()
    leaf = components[components.count - 1]
  }

  /// The label: the first sub-folder, as image data sets are laid out. For a file at the top, it is the file's own
  /// name.
  public var label: String { folders.first ?? leaf }

  public struct Refusal: Error, CustomStringConvertible, Sendable {
    public let name: String
    public let reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }

    public var description: String { "the name \"\(shown)\" cannot be stored: \(reason)" }

    /// The name, shortened if it is too long. A name may be as long as a message, and this text is written to the log
    /// and to a dead letter's headers.
    private var shown: String {
      name.utf8.count <= ImageName.longestName ? name : String(decoding: name.utf8.prefix(100), as: UTF8.self) + "..."
    }
  }
}
