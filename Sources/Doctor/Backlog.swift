import Platform
import Telemetry

/// The messages of the topic that are not stored yet, compared with how long the topic keeps messages. Pure: all facts
/// are passed in.
struct Backlog {
  struct Partition {
    var number: Int32
    /// The first offset that the partition holds, and the offset that its next message will get.
    var low: Int64
    var high: Int64
    /// The group's committed offset; nil if nothing has been committed yet.
    var committed: Int64?
    /// When the oldest message that is not stored was sent, in ms since 1970; nil if not known.
    var oldest: Int64?

    var next: Int64 { min(high, max(low, committed ?? low)) }
    var waiting: Int { Int(high - next) }
    /// Messages that were removed from the topic before the group stored them.
    var lost: Int { committed.map { max(0, Int(low - $0)) } ?? 0 }
  }

  var partitions: [Partition]
  /// The average size of the messages that were looked at, in bytes; nil if there were none.
  var averageBytes: Int?
  /// The newest timestamp of the messages that were read, in ms since 1970; nil if none was read.
  var newest: Int64?
  /// In ms since 1970.
  var now: Int64
  /// The topic's `retention.ms`; negative for no limit, nil if the broker does not tell.
  var retentionMilliseconds: Int?
  /// The topic's `retention.bytes`, for each partition; negative for no limit, nil if the broker does not tell.
  var retentionBytes: Int?

  var waiting: Int { partitions.reduce(0) { $0 + $1.waiting } }
  /// The size of the images on disk: Base64 turns three bytes into four.
  var imageBytes: Int? { averageBytes.map { $0 * waiting / 4 * 3 } }

  func findings() -> [Finding] { [lag] + [lost, age, size].compactMap { $0 } }

  private var oldest: Int64? { partitions.filter { $0.waiting > 0 }.compactMap(\.oldest).min() }

  private var lag: Finding {
    guard waiting > 0 else { return .ok("everything_stored", "all messages are stored") }
    let bytes = imageBytes.map { ", about \(Quantity.bytes($0)) of images" } ?? ""
    let age = oldest.map { ", the oldest \(Self.age(now - $0)) old" } ?? ""
    return .ok("backlog", "not stored yet: \(Quantity.count(waiting, "message"))\(bytes)\(age)")
  }

  var lost: Finding? {
    let lost = partitions.filter { $0.lost > 0 }
    guard !lost.isEmpty else { return nil }
    let places = lost.prefix(5).map { "\($0.number) (offsets \($0.committed!) to \($0.low - 1))" }
    return .problem(
      "messages_lost",
      "removed from the topic before they were stored: \(Quantity.count(lost.reduce(0) { $0 + $1.lost }, "message")), in "
        + "partition \(places.joined(separator: ", "))\(lost.count > 5 ? ", ..." : "")",
      cure:
        "run image-pipeline verify --resend on the machine that sent the images; then set a longer retention.ms or retention.bytes"
    )
  }

  /// Reports how much of the topic's retention time the oldest message that is not stored has used up.
  private var age: Finding? {
    guard let retentionMilliseconds, retentionMilliseconds > 0, let oldest else { return nil }
    let age = max(0, now - oldest)
    let text =
      "the oldest message that is not stored is \(Self.age(age)) old, and the topic keeps "
      + "\(Self.age(Int64(retentionMilliseconds))) (retention.ms=\(retentionMilliseconds))"
    let cure = "find out why the consumer falls behind (make logs); meanwhile raise retention.ms of the topic"
    if age > Int64(retentionMilliseconds) / 10 * 9 { return .problem("retention_time", text, cure: cure) }
    return age > Int64(retentionMilliseconds) / 2 ? .note("retention_time", text, cure) : nil
  }

  private var size: Finding? {
    guard let retentionBytes, retentionBytes > 0, let averageBytes,
      let fullest = partitions.max(by: { $0.waiting < $1.waiting })
    else { return nil }
    let bytes = fullest.waiting * averageBytes
    guard bytes > retentionBytes / 2 else { return nil }
    return .note(
      "retention_size",
      "partition \(fullest.number) has about \(Quantity.bytes(bytes)) that are not stored, and the topic keeps "
        + "\(Quantity.bytes(retentionBytes)) of each (retention.bytes)",
      "find out why the consumer falls behind (make logs); meanwhile raise retention.bytes of the topic")
  }

  /// "5 s", "3 min", "2 h", "9 days"
  static func age(_ milliseconds: Int64) -> String {
    let seconds = max(0, milliseconds) / 1_000
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7_200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3_600) h"
    default: return "\(seconds / 86_400) days"
    }
  }
}
