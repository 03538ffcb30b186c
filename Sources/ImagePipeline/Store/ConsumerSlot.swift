import Platform

/// One consumer's place at an output that several may share: a folder that it alone holds, by `flock`.
///
/// The kernel frees a killed process's slot at once, so its successor takes the same one, with its number: it cleans
/// what was left there, and Kafka sees the group member come back.
final class ConsumerSlot {
  let number: Int
  /// Temporary files. Only the holder touches them.
  let incoming: Folder
  private let lock: File

  /// More consumers than this at one output would only wait for each other.
  static let most = 256

  /// Takes the first free slot.
  /// - Parameter reserved: the output's `.image-pipeline`.
  /// - Parameter alone: take the first slot or none, on a file system that other hosts may use.
  static func claim(in reserved: Folder, alone: Bool) throws -> ConsumerSlot {
    for number in 1...(alone ? 1 : most) {
      let folder = try reserved.folder("consumer-\(number)", creating: true)
      let lock = try folder.file("lock", .create)
      guard try lock.lockExclusively() else { continue }
      let incoming = try folder.folder("incoming", creating: true)
      for name in try incoming.names() { try incoming.remove(name) }
      return ConsumerSlot(number: number, incoming: incoming, lock: lock)
    }
    throw SlotError(path: reserved.path, alone: alone)
  }

  private init(number: Int, incoming: Folder, lock: File) {
    self.number = number
    self.incoming = incoming
    self.lock = lock
  }
}

struct SlotError: Error, CustomStringConvertible {
  let path: String
  let alone: Bool
  var description: String {
    alone
      ? "another consumer stores into \(path) already, and its file system is one that other hosts may use: consumers "
        + "share an output only on one host's local file system. Stop the other, or set another PROCESSED_IMAGES_DIR"
      : "\(ConsumerSlot.most) consumers store into \(path) already"
  }
}
