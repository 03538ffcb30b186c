import Platform

/// An acknowledged message of a partition. As long as the topic has this message at this offset, it is the topic that
/// images were sent to.
package struct SentMark: Equatable, Sendable {
  let offset: Int64
  /// In ms since 1970; nil if the topic stores no timestamps, or the broker's instead of the producer's.
  let time: Int64?
  /// The hash of the message's key; nil if the mark is from a ledger of version 1, which stored only the offset.
  let key: Digest?
}
