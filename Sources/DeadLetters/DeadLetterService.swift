import Cluster
package import Configuration
import Kafka
package import Platform
package import Telemetry
import Wire

/// Lists the dead letters of a topic and of an output's disk, and replays them.
///
/// Dead letters are delivered at least once. If several have the same identity (topic, partition, offset, time and
/// content of the message), the first one counts.
///
/// Replayed dead letters are recorded: those of the topic as offsets of the group `<CONSUMER_GROUP>-dead-letters`,
/// those on disk by moving the file to `dead-letters/replayed`. After a crash in between, or if the broker has
/// forgotten the offsets (after `offsets.retention.minutes`), dead letters are replayed twice. That changes nothing: a
/// stored image stays as it is.
package final class DeadLetterService {
  let topic: String
  let letterTopic: String
  let log: Log
  let stop: StopFlag
  private let output: String
  private let readerSettings: KafkaSettings
  private let producerSettings: KafkaSettings
  private let newTopic: NewTopic
  private let show: (DeadLetterEntry) -> Void
  private var seen = IdentitySet()
  var counts = Counts()
  /// Called after each group of dead letters that a replay has sent.
  package var onProgress: (Counts) -> Void = { _ in }

  package struct Counts: Equatable, Sendable {
    /// Dead letters that wait for a replay, in the topic and on disk.
    package var inTopic = 0
    package var onDisk = 0
    /// Replayed before.
    package var replayed = 0
    /// Replayed by this run.
    package var sent = 0
    /// Could not be replayed.
    package var failed = 0
    /// Cannot be replayed here, because they are not dead letters, or are those of another topic.
    package var foreign = 0
    package var waiting: Int { inTopic + onDisk }

    package init() {}
  }

  /// The time without an answer from a broker after which the run fails.
  private static let patience = Duration.seconds(20)
  /// How long dead letters that are sent together may wait for the broker.
  private static let sendingPatience = Duration.seconds(60)
  private static let answerTimeout = Duration.seconds(30)

  /// - Parameter show: called once for each dead letter that is found, even if it was replayed before.
  package init(_ configuration: Configuration, log: Log, stop: StopFlag, show: @escaping (DeadLetterEntry) -> Void) {
    topic = configuration.consumer.topic
    letterTopic = DeadLetterTopic.name(of: topic)
    output = configuration.consumer.outputPath
    readerSettings = configuration.consumer.kafka
    producerSettings = configuration.producer.kafka
    newTopic = configuration.consumer.newTopic
    self.log = log
    self.stop = stop
    self.show = show
  }

  /// Lists all dead letters.
  /// - Throws: `NoBroker` if no broker answers, after the dead letters on disk are shown; `SystemError`, `KafkaError`.
  package func list() throws -> Counts {
    try visit { _ in }
    return counts
  }

  /// Sends the waiting dead letters back to their topic. The key chooses the partition, as it did before.
  /// - Throws: `NoBroker` if no broker answers; `TopicRefusal`, `SystemError`, `KafkaError`.
  package func replay() throws -> Counts {
    try replaying { replay in try visit { try replay.add($0) } }
  }

  /// Sends one dead letter back, if it waits for that and can be sent back.
  /// - Throws: as `replay`.
  package func replay(_ place: LetterPlace) throws -> Counts {
    try replaying { replay in
      switch place {
      case .disk(let name):
        guard let folder = try LetterFolder.open(output: output), let entry = try folder.entry(name),
          let found = try found(entry, in: folder, isReplayed: false), found.hindrance == nil
        else { return }
        try replay.add(found)
        try replay.add(nil)
      case .topic(let partition, let offset):
        guard letterTopic.utf8.count <= 249 else { return }
        let offsets = try LetterOffsets(readerSettings, topic: letterTopic, isInOrder: false)
        defer { offsets.close() }
        let position = try offsets.position(partition)
        guard
          let message = try PartitionReader(readerSettings).read(
            topic: letterTopic, partition: partition, offset: offset, timeout: Self.answerTimeout),
          let found = found(
            LetterRecord(message), .topic(offsets, partition: partition, offset: offset), time: "",
            isReplayed: position.contains(offset)), found.hindrance == nil
        else { return }
        try replay.add(found)
        try replay.add(nil)
      }
    }
  }

  private func replaying(_ body: (LetterReplay) throws -> Void) throws -> Counts {
    let sender = try AcknowledgedSender(producerSettings, patience: Self.sendingPatience)
    defer { sender.close() }
    var connection = BrokerConnection(client: sender.producer, servers: servers, log: log)
    connection.patience = Self.patience
    guard try connection.ensureTopic(topic, as: newTopic, stop: stop) else { return counts }
    try body(LetterReplay(service: self, sender: sender))
    return counts
  }

  // MARK: Finding them

  /// A dead letter, with what has to be recorded once it is replayed.
  package struct Found {
    let record: LetterRecord
    /// Why it is not replayed; nil if it can be.
    let hindrance: String?
    let place: Place
    package enum Place {
      case disk(LetterFolder, name: String)
      case topic(LetterOffsets, partition: Int32, offset: Int64)
      var description: String {
        switch self {
        case .disk(_, let name): name
        case .topic(let offsets, let partition, let offset): "\(offsets.topic)/\(partition)/\(offset)"
        }
      }
    }
  }

  /// - Parameter body: called with each dead letter that is not replayed yet, and with nil at the end of the folder and
  ///   of each partition.
  private func visit(_ body: (Found?) throws -> Void) throws {
    if let folder = try LetterFolder.open(output: output) {
      try folder.each(replayed: true) { entry in _ = try found(entry, in: folder, isReplayed: true) }
      try folder.each(replayed: false) { entry in
        guard !stop.isSet, let found = try found(entry, in: folder, isReplayed: false) else { return }
        try body(found)
      }
      try body(nil)
    }
    // If the name is too long for Kafka, all dead letters are on disk.
    guard !stop.isSet, letterTopic.utf8.count <= 249 else { return }
    let offsets = try LetterOffsets(readerSettings, topic: letterTopic)
    defer { offsets.close() }
    var connection = BrokerConnection(client: offsets.client, servers: servers, log: log)
    connection.patience = Self.patience
    guard let count = try connection.partitionCount(of: letterTopic, stop: stop) else { return }
    for partition in 0..<Int32(count) {
      let scan = try PartitionScan(
        readerSettings, topic: letterTopic, partition: partition, timeout: Self.answerTimeout)
      let position = try offsets.position(partition)
      while !stop.isSet, let message = try scan.next(timeout: Self.answerTimeout) {
        let place = Found.Place.topic(offsets, partition: partition, offset: message.offset)
        let record = LetterRecord(message)
        let time = message.timestamp.map { WallClock.iso8601(milliseconds: $0) } ?? ""
        if let found = found(record, place, time: time, isReplayed: position.contains(message.offset)) {
          try body(found)
        }
      }
      try body(nil)
    }
  }

  private func found(_ entry: LetterFolder.Entry, in folder: LetterFolder, isReplayed: Bool) throws -> Found? {
    let place = Found.Place.disk(folder, name: entry.name)
    switch entry.content {
    case .success(let file):
      return found(
        file.record, place, time: file.written, isReplayed: isReplayed, hindrance: isReplayed ? nil : folder.hindrance)
    case .failure(let malformed):
      counts.foreign += 1
      show(DeadLetterEntry(unreadable: malformed.description, at: entry.path))
      return nil
    }
  }

  private func found(
    _ record: LetterRecord, _ place: Found.Place, time: String, isReplayed: Bool, hindrance: String? = nil
  ) -> Found? {
    let origin = record.origin
    // Dead letters without an origin cannot be told apart.
    if let origin, !seen.insert(record.identity(origin)) { return nil }
    let hindrance = record.hindrance(topic: topic) ?? hindrance
    if hindrance != nil {
      counts.foreign += 1
    } else if isReplayed {
      counts.replayed += 1
    } else if case .disk = place {
      counts.onDisk += 1
    } else {
      counts.inTopic += 1
    }
    // A dead letter with a hindrance was skipped, not replayed, even if it is before the group's offset.
    let state = isReplayed && hindrance == nil
    show(DeadLetterEntry(record, at: place.description, time: time, hindrance: hindrance, isReplayed: state))
    return isReplayed ? nil : Found(record: record, hindrance: hindrance, place: place)
  }

  private var servers: String { producerSettings.values["bootstrap.servers"] ?? "" }
}
