import Configuration
import Kafka
import Platform
import Wire

/// Reads the topic of receipts, and has them applied. Runs on its own thread.
///
/// The positions are in the ledger, in the same transaction as what the receipts changed. So each receipt is applied at
/// least once, and applying one again changes nothing.
struct ReceiptReader {
  private let session: ProducerSession
  private let topic: String
  private let kafka: KafkaSettings

  /// How long to wait before a missing topic is looked for again, and before reading is tried again.
  private static let pause = Duration.seconds(5)
  /// Shorter than the time that is left to end the run.
  private static let patience = Duration.seconds(2)

  init(_ session: ProducerSession) {
    self.session = session
    topic = ReceiptsTopic.name(of: session.settings.topic)
    var kafka = session.settings.kafka
    // The producer's client logs the same connection's troubles.
    kafka.onLog = nil
    self.kafka = kafka
  }

  /// Reads until the session ends.
  /// - Throws: an error of the ledger that waiting does not fix; with `untilStored`, also that this user may not read.
  func run() throws {
    let handler = try ReceiptHandler(session)
    var follower: TopicFollower?
    while !session.ending.isSet {
      do {
        // The same client asks for a topic that is missing.
        let reader = try follower ?? TopicFollower(kafka, topic: topic)
        follower = reader
        try follow(reader, handler)
      } catch let error as KafkaError {
        follower = nil
        if error.isAuthorization {
          if session.settings.untilStored { throw error }
          session.events.receipts.unreadable(error, isNeeded: session.settings.afterSent != .keep)
        }
      }
      session.receiptStatus.hasCaughtUp.set()
      let deadline = Deadline(in: Self.pause)
      while !deadline.hasPassed, !session.ending.wait(for: .milliseconds(100)) { try handler.review() }
    }
  }

  /// Reads until the session ends; returns if the topic does not exist.
  private func follow(_ follower: TopicFollower, _ handler: ReceiptHandler) throws {
    var positions = try session.ledger.receiptPositions()
    guard try follower.start(at: positions, timeout: Self.patience) else { return }
    var atEnd: Set<Int32> = []
    while !session.ending.isSet {
      guard handler.isReady else {
        _ = session.ending.wait(for: .milliseconds(20))
        continue
      }
      var batch = ReceiptBatch()
      while let timeout = batch.timeout, let event = follower.next(timeout: timeout) {
        switch event {
        case .message(let message):
          positions[message.partition] = message.offset + 1
          if let receipt = read(message) { batch.add(receipt) }
        case .endOfPartition(let partition): atEnd.insert(partition)
        case .failure(let error):
          try handler.handle(batch.receipts, positions: positions)
          throw error
        }
      }
      try handler.handle(batch.receipts, positions: positions)
      if atEnd.count == follower.partitionCount { session.receiptStatus.hasCaughtUp.set() }
      try handler.review()
    }
  }

  private func read(_ message: KafkaMessage) -> Receipt? {
    guard let value = message.value else { return nil }
    do { return try Receipt(value: value) } catch {
      session.events.receipts.unusable(message, error)
      return nil
    }
  }
}
