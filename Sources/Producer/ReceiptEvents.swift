import Cluster
import Kafka
import Platform
import Synchronization
import Telemetry

/// The events that receipts cause. Each event is counted and logged in one place.
package final class ReceiptEvents: Sendable {
  private let log: Log
  /// The time from a file's completion until enough outputs have confirmed it, in seconds.
  let seconds = Histogram(bounds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400])
  private let counts = Mutex(Counts())
  private let losses = Repetitions(interval: .seconds(10))
  private let unusable = Repetitions(interval: .seconds(60))
  private let unreadable = Repetitions(interval: .seconds(3_600))
  private let overdue = Repetitions(interval: .seconds(600))
  private let ignored = Repetitions(interval: .seconds(3_600))

  /// How long files may wait for receipts before that is logged. Consumers may be behind for a while.
  private static let patience = Duration.seconds(600)

  package struct Counts: Sendable {
    /// Images whose message an output passed without getting it, counted at each loss.
    var lost = 0
    /// Lost images whose file is gone.
    package var gone = 0
    var deadLettered = 0
    /// Images that wait for receipts now.
    package var waiting = 0
    /// When the broker acknowledged the oldest of them, in ms since 1970.
    var oldest: Int64?
    /// Images of the ledger, at the end of the run, that were not stored and will not be by themselves: dead letters whose
    /// file is still in the input, and lost images that could not be sent again.
    package var unstored = 0
  }

  init(_ log: Log) { self.log = log }

  package var now: Counts { counts.withLock { $0 } }

  /// - Parameter duration: since the file was found finished; nil if that is unknown.
  func confirmed(_ path: String, after duration: Duration?) {
    if let duration { seconds.observe(max(0, duration / .seconds(1))) }
    log.debug(event: "image_confirmed", "enough outputs have it", ["image": .string(path)])
  }

  func deadLettered(_ path: String, _ reason: String) {
    counts.withLock { $0.deadLettered += 1 }
    log.warning(
      event: "image_dead_lettered",
      "a consumer could not store it, so the file stays and is not sent again: correct it, or replay it with image-pipeline "
        + "dead-letters --replay", ["image": .string(path), "kind": .string(reason)])
  }

  func lost(_ path: String, isGone: Bool) {
    counts.withLock {
      $0.lost += 1
      $0.gone += isGone ? 1 : 0
    }
    if isGone {
      log.error(
        event: "lost_image_gone",
        "a consumer has passed its message without storing it, and its file is gone: put the file back to have it sent again",
        ["image": .string(path)])
    } else if let unsaid = losses.note("") {
      log.warning(
        event: "image_lost", "a consumer has passed its message without storing it; it is sent again",
        ["image": .string(path), "suppressed": .unlessZero(unsaid)])
    }
  }

  /// - Parameters:
  ///   - oldest: when the broker acknowledged the oldest one, in ms since 1970.
  ///   - isNeeded: whether files wait for receipts to be moved or deleted.
  func waiting(_ count: Int, oldest: Int64?, isNeeded: Bool) {
    counts.withLock { ($0.waiting, $0.oldest) = (count, oldest) }
    guard isNeeded, let oldest else { return }
    let age = Duration.milliseconds(WallClock.milliseconds - oldest)
    guard age > Self.patience, overdue.note("") != nil else { return }
    log.warning(
      event: "receipts_overdue",
      "sent files stay, because no consumer has confirmed their images: see whether one runs, with RECEIPTS=on, and is not "
        + "far behind", ["images": .of(count), "oldest_seconds": .of(Int(age.components.seconds))])
  }

  /// An output is not counted, because the ledger has counted as many as it can. Logged once an hour for each.
  func outputIgnored(_ output: String) {
    guard ignored.note(output) != nil else { return }
    log.warning(
      event: "output_ignored",
      "more outputs have sent receipts than the ledger can count, so this one confirms nothing: to forget those that are gone, "
        + "run image-pipeline producer --resend, which sends everything again", ["output": .string(output)])
  }

  func finished(unstored: Int) { counts.withLock { $0.unstored = unstored } }

  /// The topic of receipts cannot be read by this user. Logged once an hour for each right that is missing.
  /// - Parameter isNeeded: whether files wait for receipts to be moved or deleted.
  func unreadable(_ error: KafkaError, isNeeded: Bool) {
    guard unreadable.note("\(error)") != nil else { return }
    let level: LogLevel = isNeeded ? .warning : .debug
    log.log(
      level,
      event: "receipts_unreadable",
      "receipts cannot be read, so lost images are not noticed, and AFTER_SENT leaves all files: "
        + KafkaErrorFix.described(error), ["error": .name(of: error)])
  }

  /// A message of the receipts topic is not a receipt.
  func unusable(_ message: KafkaMessage, _ error: any Error) {
    guard let unsaid = unusable.note("") else { return }
    log.warning(
      event: "receipt_unusable", "a message of the receipts topic is no receipt: \(error)",
      [
        "partition": .of(message.partition), "offset": .of(message.offset), "error": .name(of: error),
        "suppressed": .unlessZero(unsaid),
      ])
  }

  func addMetrics(to text: inout MetricsText) {
    let now = now
    text.gauge(
      "image_pipeline_images_waiting_for_receipt",
      "Acknowledged images that fewer outputs than needed have confirmed.", Double(now.waiting))
    text.gauge(
      "image_pipeline_oldest_waiting_for_receipt_seconds", "Time since the broker acknowledged the oldest of them.",
      now.oldest.map { Double(max(0, WallClock.milliseconds - $0)) / 1_000 } ?? 0)
    text.histogram(
      "image_pipeline_receipt_seconds",
      "Time from finding a finished file until enough outputs have confirmed its image.", seconds)
    text.counter(
      "image_pipeline_images_lost_total", "Images that the topic lost before they were stored, counted at each loss.",
      Double(now.lost))
    text.counter(
      "image_pipeline_images_dead_lettered_total", "Sent images that a consumer could not store.",
      Double(now.deadLettered))
  }
}
