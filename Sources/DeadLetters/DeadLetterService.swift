import Cluster
package import Configuration
import Kafka
package import Platform
package import Telemetry
import Wire

/// Lists the dead letters of a topic and of an output's disk, and sends them back.
///
/// Letters are sent at least once: of those with one identity (place, time and content of the message) the first counts.
/// What was sent back is remembered, for the topic as offsets of the group `<CONSUMER_GROUP>-dead-letters`, on disk by
/// moving the file to `dead-letters/replayed`. A crash in between, and offsets that the broker has forgotten (after
/// `offsets.retention.minutes`), let letters be sent back twice, which changes nothing: an image that is there stays.
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

  package struct Counts: Sendable {
    /// Letters that wait, by where they are.
    package var inTopic = 0
    package var onDisk = 0
    /// Sent back before.
    package var replayed = 0
    /// Sent back by this run.
    package var sent = 0
    /// Could not be sent back.
    package var failed = 0
    /// What nobody can send back from here: no letter at all, or one of another topic.
    package var foreign = 0
    package var waiting: Int { inTopic + onDisk }
  }

  /// A broker that does not answer for so long fails the run, in ms.
  private static let patience = 20_000
  /// How long the letters that are sent together may wait for the broker, in ms.
  private static let sendingPatience = 60_000
  private static let answerMilliseconds = 30_000

  /// - Parameter show: told of each letter that is found, once, those included that were sent back before.
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

  /// - Throws: `NoBroker` where none answers, after what is on disk has been shown; `SystemError`, `KafkaError`.
  package func list() throws -> Counts {
    try visit { _ in }
    return counts
  }

  /// Sends what waits back to the topic that it came from, where the key chooses the partition as it did before.
  /// - Throws: as `list`.
  package func replay() throws -> Counts {
    let sender = try AcknowledgedSender(producerSettings, patience: Self.sendingPatience)
    defer { sender.close() }
    var connection = BrokerConnection(client: sender.producer, servers: servers, log: log)
    connection.patience = Self.patience
    guard try connection.ensureTopic(topic, as: newTopic, stop: stop) else { return counts }
    let replay = LetterReplay(service: self, sender: sender)
    try visit { try replay.add($0) }
    return counts
  }

  // MARK: Finding them

  /// A letter with what has to be remembered once it was sent back.
  package struct Found {
    let record: LetterRecord
    /// Why it is not sent back; nil where it is to be.
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

  /// - Parameter body: given each letter that was not sent back yet; nil at the end of a folder or partition.
  private func visit(_ body: (Found?) throws -> Void) throws {
    if let folder = try LetterFolder.open(output: output) {
      try folder.each(replayed: true) { entry in _ = try found(entry, in: folder, isReplayed: true) }
      try folder.each(replayed: false) { entry in
        guard !stop.isSet, let found = try found(entry, in: folder, isReplayed: false) else { return }
        try body(found)
      }
      try body(nil)
    }
    // A name that is too long for Kafka: then all letters are on disk.
    guard !stop.isSet, letterTopic.utf8.count <= 249 else { return }
    let offsets = try LetterOffsets(readerSettings, topic: letterTopic)
    defer { offsets.close() }
    var connection = BrokerConnection(client: offsets.client, servers: servers, log: log)
    connection.patience = Self.patience
    guard let count = try connection.partitionCount(of: letterTopic, stop: stop) else { return }
    for partition in 0..<Int32(count) {
      let scan = try PartitionScan(
        readerSettings, topic: letterTopic, partition: partition, timeoutMilliseconds: Self.answerMilliseconds)
      let next = try offsets.next(partition)
      while !stop.isSet, let message = try scan.next(timeoutMilliseconds: Self.answerMilliseconds) {
        let place = Found.Place.topic(offsets, partition: partition, offset: message.offset)
        let record = LetterRecord(message)
        let time = message.timestamp.map { Clock.iso8601(milliseconds: $0) } ?? ""
        if let found = found(record, place, time: time, isReplayed: message.offset < next) { try body(found) }
      }
      try body(nil)
    }
  }

  private func found(_ entry: LetterFolder.Entry, in folder: LetterFolder, isReplayed: Bool) throws -> Found? {
    let place = Found.Place.disk(folder, name: entry.name)
    switch entry.content {
    case .success(let file): return found(file.record, place, time: file.written, isReplayed: isReplayed)
    case .failure(let malformed):
      counts.foreign += 1
      show(DeadLetterEntry(unreadable: malformed.description, at: entry.path))
      return nil
    }
  }

  private func found(_ record: LetterRecord, _ place: Found.Place, time: String, isReplayed: Bool) -> Found? {
    let origin = record.origin
    // Without an origin nothing tells one from another.
    if let origin, !seen.insert(record.identity(origin)) { return nil }
    let hindrance: String? =
      if origin == nil {
        "its headers do not say where it came from"
      } else if origin?.topic != topic {
        "it came from \(origin!.topic), and TOPIC is \(topic)"
      } else { nil }
    if hindrance != nil {
      counts.foreign += 1
    } else if isReplayed {
      counts.replayed += 1
    } else if case .disk = place {
      counts.onDisk += 1
    } else {
      counts.inTopic += 1
    }
    // What is not sent back does not become so by being passed over.
    let state = isReplayed && hindrance == nil
    show(DeadLetterEntry(record, at: place.description, time: time, hindrance: hindrance, isReplayed: state))
    return isReplayed ? nil : Found(record: record, hindrance: hindrance, place: place)
  }

  private var servers: String { producerSettings.values["bootstrap.servers"] ?? "" }
}
