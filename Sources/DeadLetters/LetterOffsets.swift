package import Kafka
import Platform

/// The replay positions in the dead-letter topic, one for each partition: offsets of a group without members. Used by
/// one thread at a time.
package final class LetterOffsets {
  let topic: String
  package let client: KafkaConsumer
  /// Whether dead letters are passed one after the other, from the position on. Otherwise they are single ones, and
  /// those between them still wait.
  private let isInOrder: Bool
  private let timeout: Duration
  private var positions: [Int32: ReplayPosition] = [:]
  private var changed: Set<Int32> = []
  private var blocked: Set<Int32> = []

  package init(_ settings: KafkaSettings, topic: String, isInOrder: Bool = true, timeout: Duration = .seconds(30))
    throws
  {
    self.topic = topic
    self.isInOrder = isInOrder
    self.timeout = timeout
    var settings = settings
    settings.set("group.id", (settings.values["group.id"] ?? "") + "-dead-letters")
    client = try KafkaConsumer(settings, topic: topic)
  }

  package func close() { client.unsubscribeAndClose() }

  /// Asks Kafka for the position of a partition.
  func position(_ partition: Int32) throws -> ReplayPosition {
    let commit = try client.commits(partitions: [partition], timeout: timeout)[partition]
    let position = ReplayPosition(next: commit?.offset ?? 0, note: commit?.note ?? "")
    positions[partition] = position
    return position
  }

  /// A dead letter was replayed or skipped (`isDone`), or it waits for another replay.
  func passed(_ partition: Int32, _ offset: Int64, isDone: Bool) {
    if !isDone { blocked.insert(partition) }
    guard isDone, !(isInOrder && blocked.contains(partition)) else { return }
    changed.insert(partition)
    if isInOrder {
      positions[partition, default: ReplayPosition()].pass(offset)
    } else {
      positions[partition, default: ReplayPosition()].passAlone(offset)
    }
  }

  func commit(_ partition: Int32) throws {
    guard changed.remove(partition) != nil, let position = positions[partition] else { return }
    client.commitNote = position.note
    try client.commitAndWait([partition: position.next], timeout: timeout)
  }
}

/// Which dead letters of a partition were replayed: all before an offset, and single ones after it.
struct ReplayPosition: Equatable, Sendable {
  private(set) var next: Int64
  private var alone: Set<Int64>

  /// Kafka keeps a note of at most 4,096 bytes (`offset.metadata.max.bytes`). If more dead letters are replayed one by
  /// one, the first of them count as waiting again. To replay them twice changes nothing.
  private static let mostAlone = 150
  private static let title = "replayed"

  /// - Parameter note: what Kafka keeps with the offset.
  init(next: Int64 = 0, note: String = "") {
    self.next = next
    let words = note.utf8.count <= 4_096 ? note.split(separator: " ") : []
    alone = words.first.map { $0 == Self.title } == true ? Set(words.dropFirst().compactMap { Int64($0) }) : []
    settle()
  }

  var note: String {
    alone.isEmpty ? "" : ([Self.title] + alone.sorted().map { String($0) }).joined(separator: " ")
  }

  func contains(_ offset: Int64) -> Bool { offset < next || alone.contains(offset) }

  /// Everything up to this offset was replayed.
  mutating func pass(_ offset: Int64) {
    next = max(next, offset + 1)
    settle()
  }

  /// One dead letter was replayed.
  mutating func passAlone(_ offset: Int64) {
    guard !contains(offset) else { return }
    alone.insert(offset)
    settle()
    while alone.count > Self.mostAlone, let first = alone.min() { alone.remove(first) }
  }

  private mutating func settle() {
    while alone.remove(next) != nil { next += 1 }
    alone = alone.filter { $0 >= next }
  }
}
