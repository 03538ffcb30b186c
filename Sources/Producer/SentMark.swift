import Platform

/// A message of a partition that the broker has acknowledged. As long as the topic has it at that place, it is the topic
/// that it was sent to.
package struct SentMark: Equatable, Sendable {
  let offset: Int64
  /// In ms since 1970; nil where the topic keeps none, or the broker's.
  let time: Int64?
  /// nil where a ledger of version 1 has it, which kept the offset alone.
  let key: Digest?
}
