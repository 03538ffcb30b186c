import Kafka
import Platform
import Synchronization
import Telemetry

/// A message that could not be used, unchanged, with the reason.
struct DeadLetter {
  let message: KafkaMessage
  let reason: BadMessage

  /// Kafka Connect's names, so that its tools understand them; behind the message's own headers.
  var headers: [KafkaHeader] {
    let own = message.headers().map { KafkaHeader(name: $0.name, nullableValue: $0.value) }
    let added = [
      ("topic", message.topic), ("partition", String(message.partition)), ("offset", String(message.offset)),
      ("connector.name", "image-pipeline"), ("task.id", "0"), ("stage", reason.stage.rawValue),
      ("class.name", "image-pipeline"), ("exception.class.name", reason.kind),
      ("exception.message", reason.description),
    ]
    return own + added.map { KafkaHeader(name: "__connect.errors.\($0.0)", value: Array($0.1.utf8)) }
  }
}

/// What became of each letter, by its number: written on the client's thread.
private final class Reports: Sendable {
  let table = Mutex<[UInt64: KafkaError?]>([:])
}

/// Where dead letters go: to the topic `<topic>-dlq`, and to disk what Kafka does not take.
final class DeadLetters {
  private let topic: String
  /// nil: everything goes to disk, as where the broker ends with the process.
  private let settings: KafkaSettings?
  private let folder: Folder
  private let log: Log
  private var producer: KafkaProducer?
  /// Called every now and then while letters wait for the broker: their consumer must go on polling.
  var whileWaiting: () -> Void = {}
  private let reports = Reports()

  /// How much larger a letter may be than the message it holds, in bytes: its headers.
  private static let extraBytes = 64 << 10
  /// After this long without an acknowledgement a letter goes to disk, so that bad messages never stop good ones.
  private static let patienceMilliseconds = 30_000

  init(topic: String, settings: KafkaSettings?, reserved: Folder, log: Log) throws {
    self.topic = topic + "-dlq"
    self.settings = settings
    folder = try reserved.folder("dead-letters", creating: true)
    self.log = log
  }

  /// Returns when every letter is safe. At least once: a crash before the position moves on sends them again.
  func deliver(_ letters: [DeadLetter]) throws {
    guard !letters.isEmpty else { return }
    var unsent: [(DeadLetter, String)] = []
    if let settings {
      var failures = letters.map { _ in Optional("no acknowledgement within \(Self.patienceMilliseconds / 1000) s") }
      do {
        try send(letters, settings) { failures[$0] = $1?.description }
      } catch let error as KafkaError {
        failures = failures.map { $0 == nil ? nil : error.description }
      }
      unsent = zip(letters, failures).compactMap { letter, failure in failure.map { (letter, $0) } }
    } else {
      unsent = letters.map { ($0, "the broker ends with this process") }
    }
    for (letter, why) in unsent { try write(letter, why: why) }
    if !unsent.isEmpty { try folder.sync() }
    for letter in letters {
      log.warning(
        "a message cannot be stored: \(letter.reason.description)",
        [
          "partition": .of(letter.message.partition), "offset": .of(letter.message.offset),
          "dead_letters": .string(settings == nil ? folder.path : topic),
        ])
    }
  }

  func close() { producer?.close() }

  private func send(
    _ letters: [DeadLetter], _ settings: KafkaSettings, _ result: (Int, KafkaError?) -> Void
  ) throws {
    let producer = try self.producer ?? connect(settings)
    self.producer = producer
    reports.table.withLock { $0 = [:] }
    for (number, letter) in letters.enumerated() {
      do {
        // A queue that is full of letters only means to wait, which the flush below does; a letter that found no room is
        // one without a report, and goes to disk.
        _ = try producer.send(
          topic: topic, partition: nil, key: letter.message.key, copying: letter.message.value,
          headers: letter.headers, token: UInt64(number))
      } catch {
        reports.table.withLock { $0[UInt64(number)] = .some(error) }
      }
    }
    let deadline = Clock.monotonicMilliseconds + Int64(Self.patienceMilliseconds)
    while reports.table.withLock({ $0.count }) < letters.count, Clock.monotonicMilliseconds < deadline {
      _ = producer.flush(timeoutMilliseconds: 100)
      whileWaiting()
    }
    for (token, error) in reports.table.withLock({ $0 }) { result(Int(token), error) }
  }

  /// The letters' topic takes what the source takes, and the headers on top of it.
  private func connect(_ settings: KafkaSettings) throws -> KafkaProducer {
    var settings = settings
    settings.set("message.max.bytes", "1000000000")
    settings.set("message.timeout.ms", String(Self.patienceMilliseconds - 1000))
    settings.set("enable.idempotence", "true")
    let producer = try KafkaProducer(settings) { [reports] report in
      reports.table.withLock { $0[report.token] = .some(report.error) }
    }
    let source = String(topic.dropLast("-dlq".count))
    var limit: Int?
    do {
      limit = try producer.topicSettings(source, timeoutMilliseconds: 5_000)["max.message.bytes"].flatMap { Int($0) }
    } catch {
      log.warning("how large the topic's messages may be is not known: \(error)", ["topic": .string(source)])
    }
    do {
      _ = try producer.createTopic(
        topic, settings: limit.map { ["max.message.bytes": String($0 + Self.extraBytes)] } ?? [:],
        timeoutMilliseconds: 5_000)
    } catch {
      log.warning("the dead letters' topic could not be made: \(error)", ["topic": .string(topic)])
    }
    return producer
  }

  /// Two files, named after the message's place in the topic so that the same letter is written once.
  private func write(_ letter: DeadLetter, why: String) throws {
    let message = letter.message
    // With its time: a topic that was made anew has the same offsets again.
    let name = "\(message.topic)-\(message.partition)-\(message.offset)-\(message.timestamp ?? 0)"
    var lines = ["not in \(topic): \(why)"]
    if let key = message.key { lines.append("key: " + String(decoding: key, as: UTF8.self)) }
    if let time = message.timestamp { lines.append("time: " + Clock.iso8601(milliseconds: time)) }
    lines += letter.headers.map { $0.name + ": " + String(decoding: $0.value, as: UTF8.self) }
    let text = Array((lines.joined(separator: "\n") + "\n").utf8)
    try text.withUnsafeBytes { try write($0, name + ".txt") }
    try write(message.value ?? UnsafeRawBufferPointer(start: nil, count: 0), name + ".value")
  }

  private func write(_ bytes: UnsafeRawBufferPointer, _ name: String) throws {
    let file = try folder.file(name + ".part", .createEmpty)
    try file.write(bytes, at: 0)
    try file.sync()
    try folder.rename(name + ".part", to: folder, as: name)
  }
}
