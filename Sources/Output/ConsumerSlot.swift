import Platform

/// One consumer's slot at an output that several may share: a folder that it alone holds, by `flock`.
///
/// The kernel frees a killed process's slot at once, so its successor takes the same slot and number. It removes what
/// was left there, and Kafka sees the group member come back.
package final class ConsumerSlot: Sendable {
  package let number: Int
  /// Temporary files. Only the holder touches them.
  let incoming: Folder
  private let reserved: Folder
  private let lock: File

  /// More consumers than this at one output would only wait for each other.
  package static let most = 256
  package static let lockName = "lock"
  /// In bytes; longer than any path.
  private static let longestAnnouncement = 8_192

  /// Takes the first free slot.
  /// - Parameter reserved: the output's `.image-pipeline`.
  /// - Parameter alone: take the first slot or none, because other hosts may use the file system.
  static func claim(in reserved: Folder, alone: Bool) throws -> ConsumerSlot {
    for number in 1...(alone ? 1 : most) {
      let folder = try reserved.folder(name(number), creating: true)
      let lock = try folder.file(lockName, .create)
      guard try lock.lockExclusively() else { continue }
      try lock.truncate(to: 0)
      let incoming = try folder.folder("incoming", creating: true)
      for name in try incoming.names() { try incoming.remove(name) }
      return ConsumerSlot(number: number, incoming: incoming, reserved: reserved, lock: lock)
    }
    throw SlotError(path: reserved.path, alone: alone)
  }

  private init(number: Int, incoming: Folder, reserved: Folder, lock: File) {
    self.number = number
    self.incoming = incoming
    self.reserved = reserved
    self.lock = lock
  }

  package static func name(_ number: Int) -> String { "consumer-\(number)" }

  // MARK: Announcements between consumers

  /// Shows a text to the other consumers for as long as this one runs, in place of the previous text.
  func announce(_ text: String) throws {
    try lock.truncate(to: 0)
    try Array(text.utf8).withUnsafeBytes { try lock.write($0, at: 0) }
  }

  /// Another slot of the output, which a consumer holds or has held.
  package struct Other {
    package let number: Int
    fileprivate let lock: File

    /// The text that its holder announced; empty if there is none.
    func announced() throws -> String {
      try withUnsafeTemporaryAllocation(byteCount: longestAnnouncement, alignment: 1) { buffer in
        let count = try lock.read(into: buffer, at: 0)
        return String(decoding: buffer[..<count], as: UTF8.self)
      }
    }

    /// Whether a consumer holds it.
    package func isTaken() throws -> Bool { try lock.isLockedExclusively() }
  }

  package func others() throws -> [Other] { try Self.all(in: reserved).filter { $0.number != number } }

  /// The slots that consumers hold.
  static func taken(in reserved: Folder) throws -> [Other] { try all(in: reserved).filter { try $0.isTaken() } }

  private static func all(in reserved: Folder) throws -> [Other] {
    try (1...most).compactMap { number in
      guard try reserved.status(name(number))?.kind == .folder else { return nil }
      let folder = try reserved.folder(name(number), creating: false)
      guard try folder.status(lockName)?.kind == .regular else { return nil }
      return Other(number: number, lock: try folder.file(lockName, .read))
    }
  }
}

struct SlotError: Error, CustomStringConvertible {
  let path: String
  let alone: Bool
  var description: String {
    alone
      ? "another consumer stores into \(path) already, and other hosts may use its file system: consumers can "
        + "share an output only on a local file system of one host. Stop the other, or set another PROCESSED_IMAGES_DIR"
      : "\(ConsumerSlot.most) consumers store into \(path) already: stop some, or set another PROCESSED_IMAGES_DIR"
  }
}
