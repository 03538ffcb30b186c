import Kafka
import Telemetry

/// Checks the topic of receipts, which consumers write and producers read. Pure.
struct ReceiptsCheck {
  var topic: String
  /// Whether the producer reads it, and whether files wait for what it reads.
  var isRead = false
  var isWaitedFor = false
  /// Whether the consumer writes it.
  var isWritten = false
  /// Whether both sides are checked, files wait for receipts, and this consumer writes none.
  var isOff = false
  /// False if the topic does not exist.
  var isThere = true
  /// Partitions that no broker leads.
  var leaderless: [Int32] = []
  /// nil if the broker does not tell.
  var settings: [String: String]?
  /// The `retention.ms` of the topic of images; negative for no limit, nil if it is not known.
  var sourceRetention: Int?
  /// Why it cannot be read, written or created; nil if it can, or if that was not tried.
  var reading: KafkaError?
  var writing: KafkaError?
  var creation: KafkaError?

  /// The largest batch of receipts that a consumer sends has 262,144 bytes.
  static let leastMessage = 300_000
  private static let day = 86_400_000
  private static let week = 604_800_000
  /// The size below which `retention.bytes` may be what removes receipts: about 600,000 images.
  private static let fewBytes = 100_000_000

  private func number(_ name: String) -> Int? { settings?[name].flatMap { Int($0) } }

  func findings() -> [Finding] {
    guard isThere else { return [isWritten ? creatable : missing] + [off].compactMap { $0 } }
    let access = [isWritten ? writable : nil, isRead ? readable : nil, leader].compactMap { $0 }
    return (access.isEmpty ? [.ok("receipts_topic", "\(topic): receipts")] : access)
      + [off, cleanup, retention].compactMap { $0 }
  }

  private var off: Finding? {
    guard isOff else { return nil }
    return .note(
      "receipts_off",
      "RECEIPTS=off: this consumer confirms nothing, so AFTER_SENT leaves all files that no other one confirms",
      "RECEIPTS=on; or RECEIPTS_NEEDED=0, which trusts the broker's acknowledgement alone")
  }

  private var missing: Finding {
    .ok("receipts_topic", "no receipts yet: the first consumer that stores an image creates \(topic)")
  }

  private var creatable: Finding {
    guard let creation else {
      return .ok("receipts_topic", "no receipts yet: \(topic) is created with the first one")
    }
    return refused("receipts_topic", creation, "\(topic) does not exist and cannot be created") { text in
      .problem("receipts_topic", text, cure: unconfirmed(creation))
    }
  }

  private var writable: Finding? {
    writing.map { error in
      refused("receipts_writable", error, "receipts cannot be written to \(topic)") { text in
        .problem("receipts_writable", text, cure: unconfirmed(error))
      }
    }
  }

  /// What to do about a consumer that cannot send its receipts. They wait in its catalog, which grows.
  private func unconfirmed(_ error: KafkaError) -> String {
    let fix = error.missingRight.map { "\($0)" } ?? "look at the broker's log"
    return "\(fix); until then receipts wait in the catalog. RECEIPTS=off writes none"
  }

  private var readable: Finding? {
    reading.map { error in
      refused("receipts_readable", error, "receipts cannot be read from \(topic)") { text in
        let fix = error.missingRight.map { "\($0)" } ?? "look at the broker's log"
        return isWaitedFor
          ? .problem(
            "receipts_readable", text + ": AFTER_SENT leaves all files",
            cure: fix + "; RECEIPTS_NEEDED=0 would trust the broker's acknowledgement alone")
          : .note("receipts_readable", text + ": lost images are not noticed", fix)
      }
    }
  }

  /// An error that passes is no finding about the topic.
  private func refused(
    _ check: String, _ error: KafkaError, _ before: String, _ finding: (_ text: String) -> Finding
  ) -> Finding {
    error.disposition == .transient
      ? BrokerCheck.untold(check, "the access to \(topic)", error) : finding("\(before): \(Finding.summary(error))")
  }

  private var leader: Finding? {
    guard !leaderless.isEmpty else { return nil }
    let partitions = leaderless.map { String($0) }.joined(separator: ",")
    return .problem(
      "receipts_topic", "\(topic) has no leader for partition \(partitions): receipts wait",
      cure: "start the brokers that have it")
  }

  private var alter: String { "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config " }

  /// All receipts of one partition of images have the same key.
  private var cleanup: Finding? {
    guard let policy = settings?["cleanup.policy"], policy.split(separator: ",").contains("compact") else { return nil }
    return .problem(
      "receipts_cleanup_policy",
      "cleanup.policy=\(policy) of \(topic): compaction removes receipts that no producer has read yet",
      cure: alter + "cleanup.policy=delete")
  }

  /// A producer should find the receipts of all images that the topic of images still has, or had when it stopped. The
  /// consumer creates the topic with a week, so that is always long enough.
  private var retention: Finding? {
    let source = sourceRetention.map { $0 < 0 ? Self.week : $0 } ?? Self.day
    let least = min(Self.week, max(Self.day, source))
    var short: [String] = []
    var add: [String] = []
    var time: Int?
    if let milliseconds = number("retention.ms"), (0..<least).contains(milliseconds) {
      short.append("retention.ms=\(milliseconds)")
      add.append("retention.ms=\(Self.week)")
      time = milliseconds
    }
    if let bytes = number("retention.bytes"), (0..<Self.fewBytes).contains(bytes) {
      short.append("retention.bytes=\(bytes), about \(Quantity.grouped(bytes / 150)) images")
      add.append("retention.bytes=-1")
    }
    guard !short.isEmpty else { return nil }
    let away = time.map { "for \(Backlog.age(Int64($0)))" } ?? "for longer"
    return .note(
      "receipts_retention",
      "\(topic) keeps few receipts (\(short.joined(separator: "; "))): a producer that is stopped \(away) may miss some, "
        + "and sends those images again",
      alter + add.joined(separator: ","))
  }

  /// Whether the largest receipts pass; nil if the broker does not tell.
  var size: Finding? {
    guard isThere, let limit = number("max.message.bytes") else { return nil }
    let finding =
      limit < Self.leastMessage
      ? Finding.problem(
        "receipts_message_size", "receipts of many images are refused", cure: alter + "max.message.bytes=1048588")
      : .ok("receipts_message_size", "accepts the largest receipts")
    return finding.of("max.message.bytes of \(topic)", Quantity.grouped(limit))
  }
}
