import Platform
import SQLite
import Telemetry
import Wire

/// Checks the receipts in the catalog that the broker does not have yet. Receipts that cannot be sent show there,
/// whatever the reason is.
struct OutboxCheck {
  var count: Int
  /// When the oldest one was written, in ms since 1970; nil if it cannot be read.
  var oldest: Int64?
  /// In ms since 1970.
  var now: Int64

  /// A consumer removes receipts from the catalog some 10 s after it has sent them.
  private static let usual: Int64 = 60_000
  /// Receipts beyond this number are not counted.
  private static let most = 1_000_000

  /// - Returns: nil if there are none, or if they cannot be read. The check of the catalog reports that.
  static func of(_ output: String, topic: String) -> OutboxCheck? {
    let path = DatabaseCheck.catalog(in: output).path
    guard (try? FileStatus.of(path)) ?? nil != nil, let database = try? Database(reading: path) else { return nil }
    defer { database.close() }
    let of = "FROM receipts JOIN topics ON topics.id = receipts.topic WHERE topics.topic = ?"
    let count = try? database.prepare("SELECT count(*) FROM (SELECT 1 \(of) LIMIT \(most))")
      .first(.text(topic)) { Int($0.integer(0)) }
    guard let count = count ?? nil, count > 0 else { return nil }
    let value = try? database.prepare("SELECT value \(of) ORDER BY receipts.id LIMIT 1").first(.text(topic)) {
      $0.blob(0)
    }
    let oldest = (value ?? nil)?.withUnsafeBytes { try? Receipt(value: $0).time }
    return OutboxCheck(count: count, oldest: oldest, now: WallClock.milliseconds)
  }

  func finding() -> Finding {
    let text = "\(Quantity.count(count, "receipt"))\(count >= Self.most ? " at least" : "") not sent yet"
    guard let oldest, now - oldest > Self.usual else { return .ok("receipts_waiting", text) }
    return .note(
      "receipts_waiting", "\(text), the oldest \(Backlog.age(now - oldest)) old: producers do not know of those images",
      "the next consumer sends them; if one runs, its log has the reason (event receipts_waiting)")
  }
}
