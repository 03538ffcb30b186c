import Cluster
package import Configuration
import Kafka
package import Platform
package import Telemetry
import Wire

/// The newest dead letters of a topic and of an output's disk, with the beginning of each message. It keeps what it has
/// read, so that a later look reads only what is new. Used by one thread at a time.
package final class NewestLetters {
  package struct Letter: Sendable {
    package let place: LetterPlace
    /// As in `DeadLetterEntry`, with bounded texts.
    package let fields: [(String, LogValue)]
    package let kind: String?
    /// The image's name, if it can be read.
    package let image: String?
    /// nil if it cannot be read.
    package let excerpt: LetterExcerpt?
    /// Why it cannot be replayed; nil if it can be.
    package let hindrance: String?
    package fileprivate(set) var isReplayed = false
    /// In ms since 1970.
    package let time: Int64
    fileprivate let identity: UInt128?
  }

  package struct List: Sendable {
    /// Newest first.
    package var letters: [Letter] = []
    /// Whether there are older ones.
    package var areMore = false

    package init() {}
  }

  private let configuration: Configuration
  private let letterTopic: String
  private let log: Log
  private let stop: StopFlag
  private var offsets: LetterOffsets?
  private var inTopic = List()
  /// Up to where each partition was read.
  private var next: [Int32: Int64] = [:]
  private var onDisk = List()
  /// The files that were read.
  private var files: [String: FileStatus] = [:]
  private var hindrance: String?
  private var diskState: (modified: Int64, looked: Int64)?

  package static let most = 200
  /// Of each partition.
  private static let least = 20
  private static let longestText = 1_000
  /// Larger files are not read.
  private static let largestFile = 16 << 20
  private static let patience = Duration.seconds(4)
  private static let answerTimeout = Duration.seconds(5)

  package init(_ configuration: Configuration, log: Log, stop: StopFlag) {
    self.configuration = configuration
    self.log = log
    self.stop = stop
    letterTopic = DeadLetterTopic.name(of: configuration.consumer.topic)
  }

  /// Closes the connection to Kafka, and forgets what was read.
  package func close() {
    offsets?.close()
    offsets = nil
    (inTopic, next) = (List(), [:])
  }

  /// The newest of two lists. Of those that were delivered several times, the first one counts.
  package static func merged(_ disk: List, _ topic: List) -> List {
    var seen: Set<UInt128> = []
    let inOrder = topic.letters.sorted { $0.order < $1.order }
    var list = List()
    list.letters = (disk.letters + inOrder).filter { $0.identity.map { seen.insert($0).inserted } ?? true }
    list.areMore = disk.areMore || topic.areMore
    list.cut()
    return list
  }

  // MARK: Disk

  /// The dead letters on disk, which need no broker.
  /// - Throws: `SystemError`.
  package func lookAtDisk() throws -> List {
    guard let folder = try LetterFolder.open(output: configuration.consumer.outputPath) else {
      (onDisk, diskState) = (List(), nil)
      return onDisk
    }
    let (modified, now) = (folder.modified ?? 0, WallClock.nanoseconds)
    // A change in the same moment as the last look does not show in the time.
    if let diskState, diskState.modified == modified, diskState.looked - modified > 2_000_000_000 { return onDisk }
    var list = List()
    let (files, areMore) = try folder.newest(atMost: Self.most)
    let known = folder.hindrance == hindrance ? onDisk.letters : []
    for file in files where !stop.isSet {
      let time = file.status.modified / 1_000_000
      if self.files[file.name] == file.status, let letter = known.first(where: { $0.place == .disk(name: file.name) }) {
        list.letters.append(letter)
        continue
      }
      guard file.status.size <= Self.largestFile else {
        let reason = "it has \(Quantity.bytes(file.status.size)): use image-pipeline dead-letters"
        list.letters.append(letter(unreadable: reason, file.name, time))
        continue
      }
      guard let entry = try folder.entry(file.name) else { continue }
      switch entry.content {
      case .success(let content):
        list.letters.append(
          letter(content.record, .disk(name: file.name), file.name, content.written, time, folder.hindrance))
      case .failure(let malformed): list.letters.append(letter(unreadable: "\(malformed)", file.name, time))
      }
    }
    list.areMore = areMore
    (onDisk, diskState, hindrance) = (list, (modified, now), folder.hindrance)
    self.files = Dictionary(files.map { ($0.name, $0.status) }) { $1 }
    return list
  }

  // MARK: Topic

  /// The dead letters of the topic.
  /// - Throws: `NoBroker` if no broker answers for some seconds; `KafkaError`.
  package func lookAtTopic() throws -> List {
    // If the name is too long for Kafka, all dead letters are on disk.
    guard letterTopic.utf8.count <= 249 else { return List() }
    let settings = configuration.consumer.kafka
    let offsets = try self.offsets ?? LetterOffsets(settings, topic: letterTopic, timeout: Self.answerTimeout)
    self.offsets = offsets
    let connection = BrokerConnection(
      client: offsets.client, servers: settings.values["bootstrap.servers"] ?? "", log: log, patience: Self.patience)
    guard let count = try connection.partitionCount(of: letterTopic, stop: stop) else {
      (inTopic, next) = (List(), [:])
      return inTopic
    }
    var positions: [Int32: ReplayPosition] = [:]
    for partition in 0..<Int32(count) where !stop.isSet {
      // Whole messages are read, and the newest of all partitions are spread over them as a rule.
      try read(partition, atMost: max(Self.least, Self.most / count), offsets)
      positions[partition] = try offsets.position(partition)
    }
    inTopic.cut()
    for index in inTopic.letters.indices {
      guard case .topic(let partition, let offset) = inTopic.letters[index].place else { continue }
      inTopic.letters[index].isReplayed =
        inTopic.letters[index].hindrance == nil && positions[partition]?.contains(offset) == true
    }
    return inTopic
  }

  /// - Parameter limit: the messages that are read at most, the newest ones.
  private func read(_ partition: Int32, atMost limit: Int, _ offsets: LetterOffsets) throws {
    let (low, high) = try offsets.client.watermarks(
      of: letterTopic, partition: partition, timeout: Self.answerTimeout)
    // If the partition ends before what was read, the topic was re-created.
    let isSame = high >= next[partition] ?? 0
    inTopic.letters.removeAll {
      guard case .topic(partition, let offset) = $0.place else { return false }
      return !isSame || offset < low
    }
    let known = isSame ? next[partition] : nil
    let start = max(low, known ?? low)
    if high - start > limit { inTopic.areMore = true }
    guard high > start else {
      next[partition] = high
      return
    }
    let scan = try PartitionScan(
      configuration.consumer.kafka, topic: letterTopic, partition: partition, last: limit, from: start,
      timeout: Self.answerTimeout)
    while !stop.isSet, let message = try scan.next(timeout: Self.answerTimeout) {
      let place = LetterPlace.topic(partition: partition, offset: message.offset)
      let time = message.timestamp ?? 0
      inTopic.letters.append(
        letter(
          LetterRecord(message), place, "\(letterTopic)/\(partition)/\(message.offset)",
          message.timestamp.map { WallClock.iso8601(milliseconds: $0) } ?? "", time))
      // If the next message cannot be read, this one is not read again.
      next[partition] = message.offset + 1
      if inTopic.letters.count >= 2 * Self.most { inTopic.cut() }
    }
    if !stop.isSet { next[partition] = max(high, next[partition] ?? 0) }
  }

  // MARK: One

  private func letter(
    _ record: LetterRecord, _ place: LetterPlace, _ path: String, _ written: String, _ time: Int64,
    _ hindrance: String? = nil
  ) -> Letter {
    let hindrance = record.hindrance(topic: configuration.consumer.topic) ?? hindrance
    let entry = DeadLetterEntry(record, at: path, time: written, hindrance: hindrance, isReplayed: false)
    return Letter(
      place: place, fields: Self.bounded(entry.fields), kind: entry.kind.map { Self.bounded($0) },
      image: entry.image.map { Self.bounded($0) }, excerpt: LetterExcerpt(record), hindrance: hindrance, time: time,
      identity: record.origin.map { record.identity($0) })
  }

  private func letter(unreadable reason: String, _ name: String, _ time: Int64) -> Letter {
    let entry = DeadLetterEntry(unreadable: reason, at: name)
    return Letter(
      place: .disk(name: name), fields: Self.bounded(entry.fields), kind: nil, image: nil, excerpt: nil,
      hindrance: reason,
      time: time, identity: nil)
  }

  private static func bounded(_ fields: [(String, LogValue)]) -> [(String, LogValue)] {
    fields.map { name, value in
      if case .string(let text) = value { return (name, .string(bounded(text))) }
      return (name, value)
    }
  }

  static func bounded(_ text: String) -> String {
    let cut = text.utf8.prefix(longestText)
    // JSON needs up to six bytes for one.
    let length = Fields.json(String(decoding: cut, as: UTF8.self)).utf8.count
    let kept = length > 2 * longestText ? cut.prefix(longestText / 6) : cut
    return kept.count == text.utf8.count ? text : String(decoding: kept, as: UTF8.self) + "..."
  }
}

extension NewestLetters.List {
  /// Keeps the newest.
  fileprivate mutating func cut() {
    letters.sort { ($1.time, $1.order) < ($0.time, $0.order) }
    guard letters.count > NewestLetters.most else { return }
    areMore = true
    letters.removeLast(letters.count - NewestLetters.most)
  }
}

extension NewestLetters.Letter {
  /// The order in which a replay visits them.
  fileprivate var order: Order {
    switch place {
    case .disk: Order(partition: -1, offset: 0)
    case .topic(let partition, let offset): Order(partition: partition, offset: offset)
    }
  }

  fileprivate struct Order: Comparable {
    let partition: Int32
    let offset: Int64
    static func < (left: Order, right: Order) -> Bool {
      (left.partition, left.offset) < (right.partition, right.offset)
    }
  }
}
