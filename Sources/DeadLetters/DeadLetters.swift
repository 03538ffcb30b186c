import Cluster
package import Kafka
package import Output
package import Platform
package import Telemetry
import Wire

/// Stores dead letters in the topic `<topic>-dlq`, and on disk those that Kafka does not accept.
///
/// They are never delivered within the catalog's transaction: a slow broker would make all other consumers wait.
package final class DeadLetters: DeadLetterSink {
  private let topic: String
  /// nil: all dead letters are stored on disk, for example because the broker ends with the process.
  private let settings: KafkaSettings?
  private let disk: Disk?
  private let log: Log
  private var sender: AcknowledgedSender?
  /// When to create the topic; nil: it is known to exist, or is not tried again.
  private var nextMaking: MonotonicClock.Instant? = .now
  /// Messages whose dead letters are safe, but which are not settled in the catalog yet. A retry, for example because
  /// the file of another dead letter cannot be written, must not send them again each time.
  private var delivered: Set<MessageOrigin> = []
  /// Called every now and then while dead letters wait for the broker, because the consumer must go on polling. Returns
  /// false to stop waiting.
  package var whileWaiting: () -> Bool = { true }
  /// The time without an acknowledgement after which a dead letter is stored on disk. Bad messages thus never
  /// stop good ones.
  var patience = Duration.seconds(30)
  /// The timeout of each request about the dead-letter topic.
  var answerTimeout = Duration.seconds(3)

  package static let folderName = "dead-letters"
  /// - Parameters:
  ///   - reserved: the output's `.image-pipeline`.
  ///   - incoming: the consumer's own folder on the same file system, which is emptied at its next start.
  package init(topic: String, settings: KafkaSettings?, reserved: Folder, incoming: Folder, log: Log) throws {
    self.topic = DeadLetterTopic.name(of: topic)
    self.settings = settings
    disk = Disk(folder: try reserved.folder(Self.folderName, creating: true), incoming: incoming)
    self.log = log
  }

  /// Dead letters of an output that is not on a disk. Those that Kafka does not accept are tried again until it does.
  package init(topic: String, settings: KafkaSettings, log: Log) {
    self.topic = DeadLetterTopic.name(of: topic)
    self.settings = settings
    disk = nil
    self.log = log
  }

  private struct Disk {
    let folder: Folder
    let incoming: Folder
  }

  /// Delivers dead letters, and returns when all are safe. Delivery is at least once: after a crash before the position
  /// moves on, they are delivered again.
  /// - Returns: false if `whileWaiting` returned false; some of them may be safe even so.
  package func deliver(_ letters: [DeadLetter]) throws -> Bool {
    let letters = letters.filter { !delivered.contains($0.origin) }
    guard !letters.isEmpty else { return true }
    let records = letters.map(\.record)
    guard let failures = try send(records) else { return false }
    let sent = zip(letters, zip(records, failures))
    for (letter, (_, failure)) in sent where failure == nil { noteDelivered(letter, in: topic) }
    let refused = sent.filter { $1.1 != nil }
    guard !refused.isEmpty else { return true }
    guard let disk else { throw LettersRefused(count: refused.count, topic: topic, reason: refused[0].1.1!) }
    for (letter, (record, failure)) in refused {
      try write(record, letter.origin, to: disk, because: "not in \(topic): \(failure!)")
    }
    try disk.folder.sync()
    for (letter, _) in refused { noteDelivered(letter, in: disk.folder.path) }
    return true
  }

  private func noteDelivered(_ letter: DeadLetter, in place: String) {
    delivered.insert(letter.origin)
    log.warning(
      event: "message_dead_lettered",
      "a message cannot be stored and is a dead letter now: \(letter.reason.description)",
      [
        "kind": .string(letter.reason.kind),
        "partition": .of(letter.message.partition), "offset": .of(letter.message.offset),
        "stored_in": .string(place),
      ])
  }

  /// Forgets the delivered messages. To be called when the catalog has recorded what happened to them.
  package func settled() { delivered = [] }

  package func close() { sender?.close() }

  // MARK: Topic

  private func send(_ records: [LetterRecord]) throws -> [String?]? {
    guard let settings else { return records.map { _ in "the broker ends with this process" } }
    do {
      if sender?.isDead == true {
        sender?.close()
        sender = nil
      }
      let sender = try self.sender ?? AcknowledgedSender(settings, patience: patience)
      self.sender = sender
      if let due = nextMaking, MonotonicClock.now >= due { makeTopic(sender.producer) }
      defer {
        // The topic was deleted after it was created or found. The next dead letters re-create it.
        if sender.missesTopic { nextMaking = .now }
      }
      return sender.send(records, to: topic, whileWaiting: whileWaiting)?.map { $0?.reason }
    } catch let error as KafkaError {
      return records.map { _ in error.description }
    }
  }

  /// The settings that a dead-letter topic must not leave to the broker, which usually drops messages after a week.
  package static let keeping = ["retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"]

  /// Creates the dead-letter topic if it does not exist. The topic accepts the source's largest messages with the
  /// headers added. If the broker does not answer, the next try is at the earliest after a minute, because the request
  /// delays the dead letters.
  private func makeTopic(_ client: KafkaClient) {
    nextMaking = nil
    // An existing topic is not created again: this user may lack the right to do so, and a broker under load needs
    // seconds.
    if let count = try? client.partitionCount(of: topic, timeout: answerTimeout), count > 0 { return }
    let again = MonotonicClock.now + .seconds(60)
    let source = String(topic.dropLast("-dlq".count))
    var limit: Int?
    do {
      limit = try client.topicSettings(source, timeout: answerTimeout)["max.message.bytes"].flatMap {
        Int($0)
      }
    } catch {
      if error.disposition == .transient { nextMaking = again }
      log.warning(
        event: "topic_size_unknown",
        "the topic's maximum message size is unknown, so the dead-letter topic is created with the broker's default: "
          + KafkaErrorFix.described(error), ["topic": .string(source), "error": .name(of: error)])
    }
    let size = limit.map { ["max.message.bytes": String($0 + DeadLetterTopic.extraBytes)] } ?? [:]
    do throws(KafkaError) {
      let rejection = try client.createTopic(
        topic, settings: size, preferring: Self.keeping, timeout: answerTimeout)
      guard let rejection else { return }
      log.warning(
        event: "dead_letters_expire",
        "the broker rejects unlimited retention; dead letters expire after its default retention: \(rejection)",
        ["topic": .string(topic), "error": .name(of: rejection)])
    } catch {
      if error.disposition == .transient { nextMaking = again }
      log.warning(
        event: "dead_letter_topic_failed",
        "creating the dead-letter topic failed: \(KafkaErrorFix.described(error))",
        ["topic": .string(topic), "error": .name(of: error)])
    }
  }

  // MARK: Disk

  /// Writes one file, and renames it when it is complete. It is named after the message, so each dead letter exists
  /// once.
  private func write(_ record: LetterRecord, _ origin: MessageOrigin, to disk: Disk, because reason: String) throws {
    let identity = String(record.identity(origin), radix: 16)
    // A topic's name may be as long as a file's. People get a part of it; the identity tells dead letters apart.
    let name = "\(origin.topic.prefix(100))-\(origin.partition)-\(origin.offset)-\(identity)" + LetterFile.suffix
    let file = try disk.incoming.file("letter.part", .createEmpty)
    let written = WallClock.iso8601(milliseconds: WallClock.milliseconds)
    try LetterFile(written: written, because: reason, record: record).write(to: file)
    try file.sync()
    try disk.incoming.rename("letter.part", to: disk.folder, as: name)
    FaultPoint.letterWritten.reached()
  }
}
