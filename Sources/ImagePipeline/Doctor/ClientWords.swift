import Kafka
import Synchronization

/// What the Kafka client complains of, for the reason of a silence.
final class ClientWords: Sendable {
  private let lines = Mutex<[String]>([])
  private static let kept = 8
  /// syslog's "warning": what is below is no complaint.
  private static let level = 4

  /// Oldest first, each once.
  var all: [String] { lines.withLock { $0 } }

  func note(_ level: Int, _ facility: String, _ message: String) {
    guard level <= Self.level, facility != "CONFWARN" else { return }
    let text = Self.plain(message)
    lines.withLock { lines in
      lines.removeAll { $0 == text }
      lines.append(text)
      if lines.count > Self.kept { lines.removeFirst() }
    }
  }

  /// `[thrd:broker:9092/1]: broker:9092/1: Connect to ... failed: Connection refused (after 0ms in state CONNECT)` without
  /// the thread, and without the times, by which one complaint would be many.
  static func plain(_ message: String) -> String {
    var text = message[...]
    if text.hasPrefix("[thrd:"), let end = text.firstRange(of: "]: ") { text = text[end.upperBound...] }
    for mark in [" (after ", ", 1 identical", ", 2 identical"] {
      if let end = text.firstRange(of: mark) { text = text[..<end.lowerBound] }
    }
    return String(text)
  }
}
