import Cluster
package import Kafka
package import Output
package import Platform
package import Telemetry
import Wire

/// Where dead letters go: to the topic `<topic>-dlq`, and to disk what Kafka does not take.
///
/// Never within the catalog's transaction: a broker that is slow would make all other consumers wait.
package final class DeadLetters: DeadLetterSink {
  private let topic: String
  /// nil: everything goes to disk, as where the broker ends with the process.
  private let settings: KafkaSettings?
  private let folder: Folder
  private let incoming: Folder
  private let log: Log
  private var sender: AcknowledgedSender?
  /// When the topic is to be made, where it is not known to be there; nil: never again.
  private var nextMaking: Int64? = 0
  /// Messages whose letters are safe while the catalog's positions are before them: what is tried again, because another
  /// letter's file cannot be written, say, must not send them each time.
  private var delivered: Set<LetterRecord.Origin> = []
  /// Called every now and then while letters wait for the broker: their consumer must go on polling. Returns false to
  /// wait no longer.
  package var whileWaiting: () -> Bool = { true }
  /// After this long without an acknowledgement a letter goes to disk, so that bad messages never stop good ones. In ms.
  var patience = 30_000
  /// How long each question about the letters' topic may take, in ms.
  var answerMilliseconds = 3_000

  package static let folderName = "dead-letters"
  /// - Parameters:
  ///   - reserved: the output's `.image-pipeline`.
  ///   - incoming: a folder of the consumer's own, on the same file system, that is emptied at its next start.
  package init(topic: String, settings: KafkaSettings?, reserved: Folder, incoming: Folder, log: Log) throws {
    self.topic = DeadLetterTopic.name(of: topic)
    self.settings = settings
    self.incoming = incoming
    folder = try reserved.folder(Self.folderName, creating: true)
    self.log = log
  }

  /// Returns when every letter is safe. At least once: a crash before the position moves on sends them again.
  /// - Returns: false where `whileWaiting` said so; some of them may be safe all the same.
  package func deliver(_ letters: [DeadLetter]) throws -> Bool {
    let letters = letters.filter { !delivered.contains($0.origin) }
    guard !letters.isEmpty else { return true }
    let records = letters.map(\.record)
    guard let failures = try send(records) else { return false }
    let sent = zip(letters, zip(records, failures))
    for (letter, (_, failure)) in sent where failure == nil { isSafe(letter, in: topic) }
    let refused = sent.filter { $1.1 != nil }
    guard !refused.isEmpty else { return true }
    for (letter, (record, failure)) in refused {
      try write(record, letter.origin, because: "not in \(topic): \(failure!)")
    }
    try folder.sync()
    for (letter, _) in refused { isSafe(letter, in: folder.path) }
    return true
  }

  private func isSafe(_ letter: DeadLetter, in place: String) {
    delivered.insert(letter.origin)
    log.warning(
      "a message cannot be stored: \(letter.reason.description)",
      [
        "partition": .of(letter.message.partition), "offset": .of(letter.message.offset),
        "dead_letters": .string(place),
      ])
  }

  /// To be called when what the letters were about is in the catalog.
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
      if let due = nextMaking, Clock.monotonicMilliseconds >= due { makeTopic(sender.producer) }
      defer {
        // Deleted since it was made or found: the next letters make it again.
        if sender.missesTopic { nextMaking = 0 }
      }
      return sender.send(records, to: topic, whileWaiting: whileWaiting)
    } catch let error as KafkaError {
      return records.map { _ in error.description }
    }
  }

  /// What a letters' topic must not leave to the broker, which usually drops messages after a week.
  package static let keeping = ["retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"]

  /// The letters' topic takes what the source takes, and the headers on top of it. Where the broker does not answer, it
  /// is asked again with the letters of a minute later: the question holds them up.
  private func makeTopic(_ client: KafkaClient) {
    nextMaking = nil
    // What is there is not made: for that this user may have no right, and a broker under load takes seconds.
    if let count = try? client.partitionCount(of: topic, timeoutMilliseconds: answerMilliseconds), count > 0 { return }
    let again = Clock.monotonicMilliseconds + 60_000
    let source = String(topic.dropLast("-dlq".count))
    var limit: Int?
    do {
      limit = try client.topicSettings(source, timeoutMilliseconds: answerMilliseconds)["max.message.bytes"].flatMap {
        Int($0)
      }
    } catch {
      if error.isRetriable { nextMaking = again }
      log.warning(
        "how large the topic's messages may be is not known: \(KafkaErrorFix.described(error))",
        ["topic": .string(source)])
    }
    let size = limit.map { ["max.message.bytes": String($0 + DeadLetterTopic.extraBytes)] } ?? [:]
    do throws(KafkaError) {
      do throws(KafkaError) { try make(client, size.merging(Self.keeping) { $1 }) } catch {
        guard error.isInvalidRequest else { throw error }
        // Some hosted brokers let nobody keep messages for ever.
        try make(client, size)
        log.warning(
          "the dead letters' topic keeps its messages only for as long as the broker does: \(error)",
          ["topic": .string(topic)])
      }
    } catch {
      if error.isRetriable { nextMaking = again }
      log.warning(
        "the dead letters' topic could not be made: \(KafkaErrorFix.described(error))", ["topic": .string(topic)])
    }
  }

  private func make(_ client: KafkaClient, _ settings: [String: String]) throws(KafkaError) {
    _ = try client.createTopic(topic, settings: settings, timeoutMilliseconds: answerMilliseconds)
  }

  // MARK: Disk

  /// One file, renamed when it is whole; named after the message, so that the same letter is written once.
  private func write(_ record: LetterRecord, _ origin: LetterRecord.Origin, because reason: String) throws {
    let identity = String(record.identity(origin), radix: 16)
    // A topic's name may be as long as a file's: a part of it is for people, the identity tells letters apart.
    let name = "\(origin.topic.prefix(100))-\(origin.partition)-\(origin.offset)-\(identity)" + LetterFile.suffix
    let file = try incoming.file("letter.part", .createEmpty)
    let written = Clock.iso8601(milliseconds: Clock.wallMilliseconds)
    try LetterFile(written: written, because: reason, record: record).write(to: file)
    try file.sync()
    try incoming.rename("letter.part", to: folder, as: name)
    FaultPoint.letterWritten.reached()
  }
}
