/// The topic for messages that cannot be stored.
package enum DeadLetterTopic {
  /// How much larger a dead letter may be than its message, in bytes: its headers.
  package static let extraBytes = 64 << 10

  package static func name(of source: String) -> String { source + "-dlq" }
}
