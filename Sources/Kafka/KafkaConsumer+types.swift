import Crdkafka

/// The positions, the events and the commits of a consumer.
extension KafkaConsumer {
  /// The position at which to start reading a partition.
  package enum StartOffset: Sendable, Equatable {
    /// The first message that the partition still has.
    case beginning
    /// The message with this offset, or the next one if that is in a gap.
    case at(Int64)

    var native: Int64 {
      switch self {
      case .beginning: Int64(crdkafka_offset_beginning)
      case .at(let offset): offset
      }
    }
  }

  /// An event that `poll` returns.
  package enum Event: Sendable {
    case message(KafkaMessage)
    /// All existing messages have been read; the next one will have this offset. Repeated after each later message.
    case endOfPartition(Int32, offset: Int64)
    /// The position is before the first or after the last message. The partition is not read until `seek`.
    case offsetOutOfRange(Int32, KafkaError)
    /// A `commit` failed, at least in part.
    case commitFailed(KafkaError)
    /// Any other error, such as a topic that does not exist, with the partition if it concerns one. The consumer
    /// continues by itself unless the error is fatal.
    case failure(KafkaError, partition: Int32? = nil)
  }

  /// A committed offset of the group.
  package struct Commit: Sendable, Equatable {
    package let offset: Int64
    /// The `commitNote` at the time of the commit; empty if a tool or another client committed the offset.
    package let note: String
  }
}
