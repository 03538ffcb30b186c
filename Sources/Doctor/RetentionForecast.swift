import Configuration
import Telemetry

/// How long the topic keeps images whose files are moved or deleted before a consumer has stored them. Pure: all facts
/// are passed in.
struct RetentionForecast {
  var topic: String
  var action: AfterSentAction
  /// nil if the topic does not exist.
  var backlog: Backlog?
  /// Messages per second that arrived of late, for each partition that is known.
  var rates: [Int32: Double] = [:]
  /// The group whose positions count as stored.
  var group: String
  /// What could not be found out, and what would change that.
  var unknown: [(what: String, advice: String)] = []
  /// Whether the group's positions are known. Otherwise it is unknown which messages are stored.
  var knowsPositions = true

  /// A limit that removes messages, in the order of its effect.
  struct Limit: Equatable {
    /// Until it removes the oldest message that is not stored, in ms.
    var left: Int64
    /// Until it removes a message that arrives now, in ms.
    var whole: Int64
    /// What the limit is, for people.
    var text: String
  }

  func finding() -> Finding {
    let start =
      "AFTER_SENT=\(action.rawValue) does not wait until images are stored (RECEIPTS_NEEDED=0)"
    guard let backlog else {
      return note(start + ": the topic does not exist yet, so how long it keeps images is unknown")
    }
    let all = backlog.partitions.flatMap { limits(of: $0, backlog) }
    guard let next = all.min(by: { ($0.left, $0.whole) < ($1.left, $1.whole) }) else {
      guard unknown.isEmpty, !backlog.isLimited else { return note("\(start): \(why(backlog))") }
      return .ok(
        "after_sent_unconfirmed", start + ", and the topic keeps all messages (retention.ms and retention.bytes are -1)"
      )
    }
    let rest = unknown.map { "; \($0.what)" }.joined()
    guard knowsPositions, backlog.waiting > 0 else {
      let state = knowsPositions ? "everything is stored now" : "what is stored is unknown here"
      return note(
        "\(start): \(state); a new image stays in the topic for about \(Backlog.age(next.whole)) (\(next.text))\(rest)")
    }
    let text =
      "\(start): about \(Backlog.age(next.left)) until the oldest image that is not stored is deleted from the topic "
      + "(\(next.text); group \(group): \(Quantity.count(backlog.waiting, "message")) not stored)\(rest)"
    // As the backlog's own finding: at nine tenths, images are at risk.
    guard next.left < next.whole / 10 else { return note(text) }
    return .problem(
      "after_sent_unconfirmed", text,
      cure: "start the consumer now, or raise \(topic)'s retention.ms and retention.bytes; then set RECEIPTS_NEEDED=1")
  }

  /// Messages that were removed before they were stored; nil if there are none. Their files have left the input.
  func lost() -> Finding? {
    guard let lost = backlog?.lost else { return nil }
    let files =
      action == .move
      ? "move the files from SENT_DIR back to IMAGES_DIR, and run image-pipeline verify --resend"
      : "their files are deleted: send other copies of these images, if there are any"
    return .problem("messages_lost", lost.text, cure: files + "; then set RECEIPTS_NEEDED=1")
  }

  private func note(_ text: String) -> Finding {
    .note(
      "after_sent_unconfirmed", text,
      (["RECEIPTS_NEEDED=1 keeps each file until a consumer has confirmed its image"] + unknown.map(\.advice)).joined(
        separator: "; "))
  }

  /// Why no time is known.
  private func why(_ backlog: Backlog) -> String {
    "how long the topic keeps images is unknown, because "
      + (unknown.isEmpty ? "too few messages arrived of late" : unknown.map(\.what).joined(separator: "; "))
  }

  private func limits(of partition: Backlog.Partition, _ backlog: Backlog) -> [Limit] {
    var limits: [Limit] = []
    let place = "partition \(partition.number)"
    let waiting = knowsPositions ? partition.waiting : 0
    if let limit = backlog.retentionMilliseconds, limit >= 0 {
      // nil if it is not known since when something waits.
      let used = waiting > 0 ? partition.oldest.map { max(0, backlog.now - $0) } : 0
      if let used {
        limits.append(
          Limit(left: max(0, Int64(limit) - used), whole: Int64(limit), text: "\(place): retention.ms=\(limit)"))
      }
    }
    if let limit = backlog.retentionBytes, limit >= 0, let average = backlog.averageBytes,
      let rate = rates[partition.number], rate > 0, average > 0
    {
      let perMillisecond = rate * Double(average) / 1_000
      func time(_ bytes: Int) -> Int64 { Int64(min(Double(max(0, bytes)) / perMillisecond, 1e15)) }
      limits.append(
        Limit(
          left: time(limit - waiting * average), whole: time(limit),
          text: "\(place): retention.bytes=\(limit), \(Quantity.bytes(Int(perMillisecond * 1_000)))/s arrive"))
    }
    return limits
  }
}

extension Backlog {
  /// Whether the topic removes messages after a time or above a size.
  var isLimited: Bool { (retentionMilliseconds ?? 0) >= 0 || (retentionBytes ?? 0) >= 0 }
}
