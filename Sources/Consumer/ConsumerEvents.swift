import Cluster
import Kafka
import Output
package import Platform
import Synchronization
package import Telemetry

/// The events of a consumer. Each event is counted and logged in one place.
package final class ConsumerEvents: Sendable {
  private let log: Log
  private let sameNames: SameNameNotices
  private let receiptTroubles = Repetitions(interval: .seconds(60))
  let health: Health
  /// From handing out a batch to its being durable, in seconds.
  private let batchSeconds = Histogram(bounds: Histogram.seconds)
  /// From the producer's sending an image to its being durable, in seconds.
  private let endToEndSeconds = Histogram(bounds: Histogram.seconds)
  private let counts = Mutex(Counts())
  private let fetching = Mutex(FetchTroubles())
  /// Whether `fetching` has any troubles. Read without the lock.
  private let hasFetchTroubles = Atomic(false)
  /// Set once partitions are assigned. The demo also sets it when the consumer returns.
  package let ready = StopFlag()

  package init(log: Log, health: Health = Health()) {
    self.log = log.with(component: "consumer")
    sameNames = SameNameNotices(log: self.log)
    self.health = health
  }

  package var now: Counts { counts.withLock { $0 } }

  /// - Parameter disks: the paths that the consumer writes to, each with its role.
  package func addMetrics(to text: inout MetricsText, disks: [(role: String, path: String)]) {
    now.addMetrics(to: &text)
    text.histogram(
      "image_pipeline_batch_seconds", "Time from a complete batch until it is durable.", batchSeconds)
    text.histogram(
      "image_pipeline_end_to_end_seconds", "Time from sending an image until it is durable.", endToEndSeconds)
    text.disks(disks)
  }

  var stored: Int { counts.withLock { $0.images } }

  var lag: Int {
    get { counts.withLock { $0.lag ?? 0 } }
    set { counts.withLock { $0.lag = newValue } }
  }

  /// Called on each turn of the loop.
  /// - Parameter waiting: the value of `Counts.waiting`.
  func beat(waiting: Int) {
    health.beat()
    counts.withLock { $0.waiting = waiting }
  }

  func assigned(_ partitions: [Int32]) {
    log.info(event: "partitions_assigned", "partitions assigned", ["partitions": .string(partitions.listed)])
    ready.set()
    health.well(.partitions)
    changeFetching { $0 = FetchTroubles() }
    health.started()
  }

  /// The result of a look at the group's members.
  func groupHas(_ strangers: [GroupStranger]) {
    let before = counts.withLock { counts in
      defer { counts.strangers = strangers.count }
      return counts.strangers
    }
    if strangers.isEmpty {
      if before > 0 {
        log.info(event: "group_exclusive", "the group no longer has members of other outputs or clients")
      }
      return
    }
    log.warning(
      event: "group_shared",
      "the group has members that do not store into this output, and images that they receive are missing here; give this "
        + "output a CONSUMER_GROUP of its own, or stop them",
      ["members": .string(GroupStranger.listed(strangers))])
  }

  /// - Parameters:
  ///   - isRepeated: true if another consumer takes turns with this one.
  ///   - holder: that consumer, if the group's coordinator names it.
  func fenced(isRepeated: Bool, holder: KafkaClient.GroupMember?, output: (path: String, id: String), delay: Duration) {
    counts.withLock { $0.fenced += 1 }
    guard isRepeated else { return }
    log.error(
      event: "output_copied",
      "another consumer has this output's identity in the group, so each shuts the other out: a copy of this output is in use. "
        + "Set another CONSUMER_GROUP for the copy, or stop one of the two; joining again",
      [
        "output": .string(output.path), "output_id": .string(output.id),
        "host": .string(holder?.host ?? "unknown"), "client": .string(holder?.clientID ?? "unknown"),
        "retry_ms": .of(delay.inMilliseconds),
      ])
  }

  func revoked(_ partitions: [Int32]) {
    health.trouble(.partitions, "none at the moment: the group is rebalancing")
    guard !partitions.isEmpty else { return }
    log.info(event: "partitions_revoked", "partitions revoked", ["partitions": .string(partitions.listed)])
  }

  func topicIsNew(_ topic: String) {
    log.warning(
      event: "topic_recreated",
      "the topic was re-created: it does not hold the messages stored from it; reading from its beginning",
      ["topic": .string(topic)])
  }

  func seekFailed(_ partition: Int32, _ error: any Error) {
    log.warning(
      event: "seek_failed",
      "setting a partition's offset failed; it is tried again: \(KafkaErrorFix.described(error))",
      ["partition": .of(partition), "error": .name(of: error)])
  }

  func commitFailed(_ error: any Error) {
    log.warning(
      event: "commit_failed",
      "committing the group's offsets failed, which affects monitoring only: \(KafkaErrorFix.described(error))",
      ["error": .name(of: error)])
  }

  /// - Parameter since: when the batch was handed out, or, for the rest of a batch, when its first part was stored.
  func stored(_ stored: ImageStore.Stored, since: MonotonicClock.Instant) {
    health.well(.output)
    batchSeconds.observe((.now - since) / .seconds(1))
    let now = WallClock.milliseconds
    for image in stored.images {
      // The clocks of two hosts may differ by more than the image takes to travel.
      if let sent = image.sent { endToEndSeconds.observe(Double(max(0, now - sent)) / 1000) }
    }
    let counts = counts.withLock {
      $0.images += stored.images.count
      $0.bytes += stored.images.reduce(0) { $0 + $1.bytes }
      $0.unchanged += stored.unchanged
      $0.replaced += stored.replaced.count
      $0.keptBoth += stored.keptBoth.count
      $0.past += stored.past
      $0.letters += stored.letters
      return $0
    }
    sameNames.replaced(stored.replaced, total: counts.replaced)
    sameNames.keptBoth(stored.keptBoth, total: counts.keptBoth)
    for image in stored.images {
      log.debug(event: "image_stored", "stored", ["image": .string(image.name), "bytes": .of(image.bytes)])
    }
  }

  func storingFailed(_ error: any Error, retryIn delay: Duration) {
    health.trouble(.output, "\(error)")
    counts.withLock { $0.failedBatches += 1 }
    log.error(
      event: "batch_failed", "storing a batch failed; nothing is lost, it is tried again: \(error)",
      ["error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
  }

  /// - Parameters:
  ///   - sent: receipts that were acknowledged since the last call.
  ///   - waiting: receipts that are not acknowledged.
  func receipts(sent: Int, waiting: Int) {
    counts.withLock {
      $0.receiptsSent += sent
      $0.receiptsWaiting = waiting
    }
  }

  /// - Parameter error: the name of the error.
  func receiptsWait(_ count: Int, error: LogValue, _ reason: String) {
    guard receiptTroubles.note(reason) != nil else { return }
    log.warning(
      event: "receipts_waiting",
      "sending receipts failed; images are stored all the same, and their receipts are sent later: \(reason)",
      ["waiting": .of(count), "error": error])
  }

  func readingPositionsFailed(_ error: any Error, retryIn delay: Duration) {
    health.trouble(.catalog, "\(error)")
    log.error(
      event: "positions_unreadable", "reading the catalog's positions failed; it is tried again: \(error)",
      ["error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
  }

  func catalogIsWell() { health.well(.catalog) }

  /// The bucket cannot be opened at the moment.
  func bucketUnavailable(_ error: any Error, retryIn delay: Duration) {
    health.trouble(.output, "\(error)")
    log.error(
      event: "bucket_unavailable", "opening the bucket failed; it is tried again: \(error)",
      ["error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
  }

  func bucketAnswers() { health.well(.output) }

  func lost(_ loss: PartitionSession.Loss, of partition: Int32) {
    switch loss {
    case .neverSeen(let count):
      log.info(
        event: "beginning_removed",
        "the topic no longer has the first \(Quantity.count(Int(count), "message")) of a partition, which cannot be stored",
        ["partition": .of(partition), "first_offset": .of(count)])
    case .gap(let offsets):
      log.error(
        event: "messages_lost",
        "\(Quantity.count(offsets.count, "message")) \(offsets.count == 1 ? "was" : "were") removed from the topic before being "
          + "stored",
        [
          "messages": .of(offsets.count), "partition": .of(partition), "from": .of(offsets.lowerBound),
          "to": .of(offsets.upperBound - 1),
          "fix": "give the topic a longer retention.ms or larger retention.bytes",
        ])
    }
  }

  /// The messages of a partition cannot be read until a person changes something.
  /// - Parameter partition: nil for all partitions.
  func fetchingFailed(_ partition: Int32?, _ reason: String) {
    fetching.withLock { $0.failed(partition, reason) }
    hasFetchTroubles.store(true, ordering: .relaxed)
    health.trouble(.fetching, reason)
  }

  /// A message of a partition, or its end, has arrived.
  func fetchingGoesOn(_ partition: Int32) {
    // Called for each message: an atomic flag is cheaper than a lock.
    if hasFetchTroubles.load(ordering: .relaxed) { changeFetching { $0.succeeded(partition) } }
  }

  /// The partitions that cannot be read.
  var unreadable: [Int32] {
    hasFetchTroubles.load(ordering: .relaxed) ? fetching.withLock { $0.partitions } : []
  }

  private func changeFetching(_ change: (inout FetchTroubles) -> Void) {
    let reason = fetching.withLock { troubles in
      change(&troubles)
      hasFetchTroubles.store(!troubles.isEmpty, ordering: .relaxed)
      return troubles.reason
    }
    if let reason { health.trouble(.fetching, reason) } else { health.well(.fetching) }
  }

  func expiringFailed(_ error: any Error, retryIn delay: Duration) {
    health.trouble(.segments, "\(error)")
    log.error(
      event: "expiry_failed", "turning the segments of an incomplete image into dead letters failed: \(error)",
      ["error": .name(of: error), "retry_ms": .of(delay.inMilliseconds)])
  }

  func expiringIsWell() { health.well(.segments) }

  func expired(_ image: ImageStore.Expired) {
    counts.withLock { $0.letters += image.letters }
    log.warning(
      event: "image_incomplete", "an image's segments did not all arrive; those that did are dead letters now",
      [
        "image": .string(image.name), "received": .of(image.parts), "expected": .of(image.count),
        "dead_letters": .of(image.letters),
        "gone_offsets": .string(image.gone.map { String($0) }.joined(separator: ",")),
      ])
  }
}
