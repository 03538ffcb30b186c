import Kafka
import Platform
import Wire

/// Decides what becomes of an image when the broker has acknowledged it, or when sending it has failed.
final class DeliveryHandler: Sendable {
  private let session: ProducerSession
  private let sentTopic: SentTopic
  private var outbox: Outbox { session.outbox }
  private var events: ProducerEvents { session.events }

  init(_ session: ProducerSession, sentTopic: SentTopic) {
    self.session = session
    self.sentTopic = sentTopic
  }

  /// Handles the delivery report of a message. Called on the client's thread.
  func handle(_ report: DeliveryReport, by way: SendingClients.Way) {
    guard
      let settled = outbox.settle(
        report.token, failure: report.error, at: report.error == nil ? (report.partition, report.offset) : nil)
    else { return }
    if report.error == nil {
      if session.hold.end() { events.sendingGoesOn() }
      // Before the image gets to the ledger, because its mark is recorded with it.
      sentTopic.acknowledged(report, key: session.settings.namePrefix + settled.path, by: way)
      session.budget.delivered(settled.bytes, partition: report.partition, offset: report.offset)
    } else {
      session.budget.failed(settled.bytes)
    }
    finish(settled.flight)
  }

  /// Handles the end of a flight: all of the image is acknowledged, or some of it never will be.
  func finish(_ flight: Outbox.Flight?) {
    guard let flight else { return }
    if let failure = flight.failure { return giveUp(flight.path, failure) }
    FaultPoint.imageAcknowledged.reached()
    session.writer.add(.sent(flight))
  }

  /// Handles a file that was not sent, or not completely.
  func giveUp(_ path: String, _ failure: any Error) {
    switch failure {
    case let error as FileChanged: releaseUnfinished(path, .changes, tries: error.tries)
    case is SendingStopped: outbox.release(path)
    case let error as KafkaError: giveUp(path, error)
    default:
      events.refused(path, failure)
      outbox.release(path)
    }
  }

  /// Handles a file that was taken too early. It is looked at again once it has settled.
  func releaseUnfinished(_ path: String, _ reason: UnfinishedFile, tries: Int) {
    events.unfinished(path, reason)
    outbox.release(path, again: .unfinished(reason, tries: tries + 1))
  }

  private func giveUp(_ path: String, _ error: KafkaError) {
    switch error.disposition {
    // The client has ended or has taken the message back, which does not concern this image alone.
    case .final: return outbox.release(path)
    case .badInput:
      events.refused(path, error)
      return outbox.release(path)
    case .transient: events.failed(path, error)
    case .needsPerson where error.isTopicMissing:
      session.hold.topicIsMissing()
      events.failed(path, error)
    case .needsPerson:
      session.hold.refused(error)
      guard !session.hold.endsRun else {
        events.refused(path, error)
        return outbox.release(path)
      }
      events.heldBack(path, error)
    }
    outbox.release(path, again: .again)
  }
}

/// The file changed while its segments were sent.
struct FileChanged: Error {
  /// How often the file was taken too early before.
  let tries: Int
}

/// The run ends before all of the file was sent.
struct SendingStopped: Error {}
