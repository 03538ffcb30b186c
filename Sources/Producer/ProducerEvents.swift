import Cluster
import Configuration
import Kafka
import Platform
import Synchronization
package import Telemetry

/// The events of a producer. Each event is counted and logged in one place.
package final class ProducerEvents: Sendable {
  private let log: Log
  private let folder: String
  let health: Health
  let input: InputEvents
  /// The time from reading a file until its line is in the ledger, in seconds.
  private let sendSeconds = Histogram(bounds: Histogram.seconds)
  private let counts = Mutex(Counts())
  package let receipts: ReceiptEvents
  private let refusals = Refusals()
  /// Files that were found, given back unsent, and not found again yet. They still count as found.
  private let returning = Mutex(PathSet())
  /// Images that the broker did not accept. They stay here until it does, or until they are gone.
  private let unacknowledged = Mutex(PathSet())
  private let mentions = FirstMentions()
  private let failures = Repetitions(interval: .seconds(10))
  private let refusalsOfAll = Repetitions(interval: .seconds(300))

  /// - Parameter input: the folder that paths are relative to.
  package init(log: Log, input folder: String, health: Health = Health()) {
    self.health = health
    self.log = log.with(component: "producer")
    self.folder = folder
    input = InputEvents(log: self.log, health: health, mentions: mentions)
    receipts = ReceiptEvents(self.log)
  }

  package var now: Counts {
    var now = counts.withLock { $0 }
    now.heldBack = refusals.byBroker
    let scans = input.now
    now.tally = scans.tally
    // Problems that keep images from being found count as files that could not be sent.
    now.found += scans.troubles.count
    now.refused += scans.troubles.count
    now.everRefused += scans.troubles.everCount
    return now
  }

  /// - Parameter disks: the paths that the producer writes to, each with the role of what is written there.
  package func addMetrics(to text: inout MetricsText, disks: [(role: String, path: String)]) {
    now.addMetrics(to: &text)
    text.histogram(
      "image_pipeline_send_seconds", "Time from reading an image until it is acknowledged and in the ledger.",
      sendSeconds)
    receipts.addMetrics(to: &text)
    text.disks(disks)
  }

  /// The files that cannot be sent, at most 100 and 200 KB: one JSON object in a line.
  package var refusedFiles: String {
    var text = ""
    for file in refusals.shown where text.utf8.count < 200_000 {
      text +=
        Fields.json([
          ("image", .string(file.path)), ("reason", .string(file.reason)),
          ("time", file.time == 0 ? .absent : .of(file.time)),
        ]) + "\n"
    }
    return text
  }

  /// Whether images that the broker did not accept are to be sent again.
  var isWaiting: Bool { unacknowledged.withLock { !$0.isEmpty } }

  func found(_ path: String) {
    if !takeBack(path) { counts.withLock { $0.found += 1 } }
  }

  /// A file that was given back is here again. Returns true if it still counts as found.
  private func takeBack(_ path: String) -> Bool { returning.withLock { !$0.isEmpty && $0.remove(path) } }

  /// The file no longer waits for the broker.
  private func markSettled(_ path: String) {
    unacknowledged.withLock { if !$0.isEmpty { _ = $0.remove(path) } }
  }

  /// A file does not exist. If it was refused before, it no longer counts as one that could not be sent.
  func gone(_ path: String) {
    markSettled(path)
    forgetRefusal(path)
    if takeBack(path) { counts.withLock { $0.vanished += 1 } }
  }

  /// Reports that the threads are alive, and how much they have to do.
  func beat(waiting: Int, inFlight: Int) {
    health.beat()
    counts.withLock {
      $0.waiting = waiting
      $0.inFlight = inFlight
    }
  }

  /// - Parameter since: when the image was read.
  func sent(_ path: String, bytes: Int, since: MonotonicClock.Instant) {
    markSettled(path)
    forgetRefusal(path)
    health.well(.ledger)
    sendSeconds.observe((.now - since) / .seconds(1))
    counts.withLock {
      $0.sent += 1
      $0.bytes += bytes
    }
    log.debug(event: "image_sent", "sent", ["image": .string(path), "bytes": .of(bytes)])
  }

  /// Removes a file from the refused ones if it was refused before.
  private func forgetRefusal(_ path: String) {
    guard refusals.remove(path) else { return }
    counts.withLock {
      $0.found -= 1
      $0.refused -= 1
    }
    lookAtRefusals()
  }

  /// Clears the trouble in health if no image remains that the broker refused.
  private func lookAtRefusals() {
    if refusals.byBroker == 0 { health.well(.refusals) }
  }

  /// Forgets files that the broker refused and that have been removed. To be called periodically.
  func review() {
    let gone = refusals.forgetMissing { ((try? FileStatus.of(folder + "/" + $0)) ?? nil) != nil }
    guard gone > 0 else { return }
    counts.withLock {
      $0.refused -= gone
      $0.vanished += gone
    }
    lookAtRefusals()
  }

  func known(_ path: String) {
    markSettled(path)
    forgetRefusal(path)
    counts.withLock { $0.known += 1 }
    log.debug(event: "image_known", "the same bytes were sent before", ["image": .string(path)])
  }

  func alreadySent(_ path: String) {
    markSettled(path)
    let wasFound = takeBack(path)
    counts.withLock {
      $0.alreadySent += 1
      if wasFound { $0.found -= 1 }
    }
  }

  /// A file was taken too early, and will be taken again.
  func unfinished(_ path: String, _ reason: UnfinishedFile) {
    markSettled(path)
    returning.withLock { $0.insert(path) }
    log.debug(event: "image_unfinished", "not finished, read again later: \(reason)", ["image": .string(path)])
  }

  func vanished(_ path: String) {
    forgetRefusal(path)
    markSettled(path)
    counts.withLock { $0.vanished += 1 }
    log.debug(event: "image_vanished", "gone before it was read", ["image": .string(path)])
  }

  /// A file could not be sent. It is tried again when it changes. If the system or the broker was at fault, or the file
  /// was unfinished, it is also tried again after a while: an operator may have corrected rights or limits.
  /// - Parameter wasFound: whether the file counts as found.
  func refused(_ path: String, _ error: any Error, wasFound: Bool = true) {
    let status = (try? FileStatus.of(folder + "/" + path)) ?? nil
    let refusal = error as? KafkaError
    let reason = refusal.map { KafkaErrorFix.described($0) } ?? "\(error)"
    let news = refusals.add(
      path, status, isPassing: Disposition(of: error) == .transient || refusal != nil, isByBroker: refusal != nil,
      reason: reason)
    markSettled(path)
    let wasFound = takeBack(path) || wasFound
    counts.withLock {
      $0.found += (news == .first ? 1 : 0) - (wasFound ? 1 : 0)
      if news == .first { $0.refused += 1 }
      if news != .none { $0.everRefused += 1 }
    }
    if refusal != nil { health.trouble(.refusals, reason) }
    guard news != .none else { return }
    // A problem that concerns every image is not logged for every image.
    let isOfAll = refusal?.disposition == .needsPerson || refusal?.name == "INVALID_RECORD"
    guard let unsaid = isOfAll ? refusalsOfAll.note(refusal?.name ?? "") : 0 else { return }
    log.error(
      event: "image_refused", "not sent: \(reason)",
      ["image": .string(path), "error": .name(of: error), "suppressed": .unlessZero(unsaid)])
  }

  /// The broker accepts nothing until a person changes something. The image is sent again later, like all others.
  func heldBack(_ path: String, _ error: KafkaError) {
    markUnacknowledged(path)
    counts.withLock { $0.failed += 1 }
    let reason = KafkaErrorFix.described(error)
    health.trouble(.sending, reason)
    guard let unsaid = refusalsOfAll.note(error.name) else { return }
    log.error(
      event: "sending_blocked",
      "sending is blocked: \(reason); no image is sent until this is fixed; retrying within a minute",
      ["image": .string(path), "error": .name(of: error), "suppressed": .unlessZero(unsaid)])
  }

  private func markUnacknowledged(_ path: String) {
    returning.withLock { $0.insert(path) }
    unacknowledged.withLock { $0.insert(path) }
  }

  /// The broker accepts images again.
  func sendingGoesOn() {
    health.well(.sending)
    log.info(event: "sending_resumed", "the broker accepts images again")
  }

  /// A file has been written to for a long time. It is sent when it is finished.
  func waitsForWriter(_ path: String, _ reason: UnfinishedFile) {
    guard mentions.add("unfinished \(path)") else { return }
    log.warning(event: "image_still_written", "not sent yet: \(reason)", ["image": .string(path)])
  }

  /// Nothing is in flight any more. Files that were not done with will be found again.
  func ended() {
    returning.withLock { $0 = PathSet() }
    unacknowledged.withLock { $0 = PathSet() }
    counts.withLock { $0.found -= $0.open }
  }

  func isRefused(_ path: String, _ status: FileStatus) -> Bool { refusals.contains(path, status) }

  /// An image was not acknowledged, and will be sent again.
  func failed(_ path: String, _ error: any Error) {
    markUnacknowledged(path)
    counts.withLock { $0.failed += 1 }
    // If the topic is gone, this happens for every image each second. Repeated log lines are suppressed by the kind of
    // error, because there are few kinds.
    let kind = (error as? KafkaError)?.name ?? "\(type(of: error))"
    guard let unsaid = failures.note(kind) else { return }
    log.warning(
      event: "image_unacknowledged",
      "the broker did not acknowledge it; it will be sent again: \(KafkaErrorFix.described(error))",
      ["image": .string(path), "error": .name(of: error), "suppressed": .unlessZero(unsaid)])
  }

  func ledgerFailed(_ error: any Error) {
    health.trouble(.ledger, "\(error)")
    counts.withLock { $0.ledgerFailures += 1 }
    log.error(
      event: "ledger_failed",
      "writing the ledger failed; it is tried again, and images that it lacks when the run ends are sent again: \(error)",
      ["error": .name(of: error)])
  }

  func afterSentFailed(_ path: String, _ error: any Error) {
    // Each scan tries again, so each failure is counted and logged once.
    guard mentions.add("after sent \(path): \(error)") else { return }
    counts.withLock { $0.unhandled += 1 }
    log.error(
      event: "sent_file_not_handled", "sent, but the file could not be moved or deleted: \(error)",
      ["image": .string(path), "error": .name(of: error)])
  }

  /// The topic is a different one from the one that images were sent to. Logged once in a run.
  func topicIsNew(_ topic: String, because reason: String) {
    guard mentions.add("topic is new: \(reason)") else { return }
    log.warning(
      event: "topic_recreated",
      "the topic was re-created since images were sent to it, and does not hold them. Those that wait for receipts are sent "
        + "again; to send all: image-pipeline producer --resend", ["topic": .string(topic), "reason": .string(reason)])
  }
}
