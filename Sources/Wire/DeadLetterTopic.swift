/// The topic of dead letters: messages that cannot be stored.
package enum DeadLetterTopic {
  /// Bytes by which a dead letter may exceed its message, because of the added headers.
  package static let extraBytes = 64 << 10

  package static func name(of source: String) -> String { source + "-dlq" }
}
