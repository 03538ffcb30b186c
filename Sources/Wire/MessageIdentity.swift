package import Messaging
package import Platform

/// Where a message was read from.
package struct MessageOrigin: Hashable, Sendable {
  package let topic: String
  package let partition: Int32
  package let offset: Int64
  /// In ms since 1970; nil if the message has none.
  package let timestamp: Int64?

  package init(topic: String, partition: Int32, offset: Int64, timestamp: Int64?) {
    self.topic = topic
    self.partition = partition
    self.offset = offset
    self.timestamp = timestamp
  }
}

/// What identifies a message of a partition well enough to tell a topic from one that was re-created under its name.
package struct MessageMark: Equatable, Sendable {
  package let offset: Int64
  /// In ms since 1970; nil if the message has none, or if the topic stores the broker's time instead of the producer's.
  package let timestamp: Int64?
  /// The hash of the message's key; nil if it is not known.
  package let key: Digest?

  package init(offset: Int64, timestamp: Int64?, key: Digest?) {
    self.offset = offset
    self.timestamp = timestamp
    self.key = key
  }
}

extension Message {
  package var origin: MessageOrigin {
    MessageOrigin(topic: topic, partition: partition, offset: offset, timestamp: timestamp)
  }

  package var mark: MessageMark {
    MessageMark(
      offset: offset, timestamp: timestamp, key: SHA256.hash(key ?? UnsafeRawBufferPointer(start: nil, count: 0)))
  }
}
