import Kafka
import Output
import Wire

/// The properties of a message that a session needs.
protocol SessionMessage {
  var partition: Int32 { get }
  /// In bytes.
  var size: Int { get }
  var mark: MessageMark { get }
}

extension KafkaMessage: SessionMessage {}

/// Messages that were delivered and are not in a batch yet.
struct WaitingMessages<Message: SessionMessage> {
  typealias Instant = ContinuousClock.Instant

  private(set) var messages: [Message] = []
  private(set) var bytes = 0
  /// When the first of them arrived.
  private var since: Instant?

  /// How long messages wait for others to share a batch with.
  static var patience: Duration { .milliseconds(100) }

  var isEmpty: Bool { messages.isEmpty }
  var count: Int { messages.count }

  mutating func append(_ message: Message, at now: Instant) {
    if messages.isEmpty { since = now }
    messages.append(message)
    bytes += message.size
  }

  /// Takes the first ones.
  mutating func take(_ count: Int) -> [Message] {
    let taken = Array(messages.prefix(count))
    messages.removeFirst(taken.count)
    bytes -= taken.reduce(0) { $0 + $1.size }
    return taken
  }

  func isFull(count: Int, bytes: Int) -> Bool { self.count >= count || self.bytes >= bytes }

  /// True if they have waited for long enough.
  func isOverdue(at now: Instant) -> Bool { !isEmpty && since.map { now - $0 >= Self.patience } ?? false }
}
