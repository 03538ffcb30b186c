/// An image's name that may be stored: a path relative to the output folder that cannot leave it.
public struct ImageName: Sendable, Hashable {
  public let value: String
  /// The sub-folders on the way, outermost first; empty at the top.
  public let folders: [String]
  /// The file's own name.
  public let leaf: String

  /// The folder within the output where the consumer keeps what it needs for itself.
  public static let reserved = ".image-pipeline"
  /// The database in `reserved` by which an output folder is known.
  public static let catalog = "catalog.sqlite"
  /// What every file system in use takes as one component, in bytes.
  package static let longestComponent = 255
  /// In bytes; with an output folder of some length before it, this stays below Linux' limit of 4,096 for a path.
  package static let longestName = 3_072

  /// - Throws: `Refusal` with the reason, for a dead letter.
  public init(_ name: String) throws(Refusal) {
    func refuse(_ reason: String) -> Refusal { Refusal(name: name, reason: reason) }
    guard !name.isEmpty else { throw refuse("it is empty") }
    guard name.utf8.count <= Self.longestName else { throw refuse("it is longer than \(Self.longestName) bytes") }
    guard !name.utf8.contains(0) else { throw refuse("it holds a NUL byte") }
    guard name.utf8.first != UInt8(ascii: "/") else { throw refuse("it is an absolute path") }
    // Split by bytes: as characters, a slash with a combining accent behind it is no slash, but the kernel's path ends.
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

  /// The first sub-folder, as image data sets are laid out; at the top, the file's own name.
  public var label: String { folders.first ?? leaf }

  public struct Refusal: Error, CustomStringConvertible, Sendable {
    public let name: String
    public let reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }

    public var description: String { "the name \"\(shown)\" cannot be stored: \(reason)" }

    /// A name may be as long as a message, and this goes into the log and into a letter's headers.
    private var shown: String {
      name.utf8.count <= ImageName.longestName ? name : String(decoding: name.utf8.prefix(100), as: UTF8.self) + "..."
    }
  }
}
