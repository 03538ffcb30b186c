import Kafka
import Output
import Platform
import Wire

/// The states of a session, the actions that it asks for, and the answers that it gives.
extension ConsumerSession {
  /// How many batches keep their content after something prevented storing one: it may also prevent the next ones.
  static var carefulAfterwards: Int { 16 }

  enum State: Equatable {
    /// The group has not been joined yet.
    case new
    /// The group has assigned nothing yet, not even an empty set of partitions.
    case waiting(since: Instant, wasAssigned: Bool)
    /// The catalog's positions are to be read: for a new assignment, or again.
    case unread(due: Instant, isNewAssignment: Bool)
    /// The topic was re-created: its generation is to be advanced in the catalog.
    case recreated(due: Instant)
    /// The positions are known.
    case reading
  }

  enum Work: Equatable {
    case none
    /// A batch is stored: from its dead letters to the end of its transaction, including the waits between attempts.
    case storing(BatchTicket, Backoff)
    /// Images whose segments did not all arrive are given up.
    case upkeep(epoch: Int)
  }

  enum Fetching { case running, paused }

  enum Action: Equatable {
    /// Answer: `generationAdvanced` or `catalogFailed`.
    case advanceGeneration(Catalog.Topic)
    /// For these partitions. Answer: `positionsRead` or `catalogFailed`.
    case readPositions([Int32], isNewAssignment: Bool)
    /// Answer: `placed` or `seekFailed`.
    case seek(Int32, KafkaConsumer.StartOffset)
    /// All partitions. Answer: `paused`, and `resumed` for `resume`.
    case pause
    case resume
  }

  /// What the session did with a message or an end.
  enum Reception: Equatable {
    /// It says nothing about the partition: it comes from another offset, or from before a change.
    case ignored
    case noted(PartitionSession.Loss?)
  }

  struct Batch {
    let ticket: BatchTicket
    let messages: [Message]
    /// Whether the messages' content is needed until they are stored: earlier, something prevented storing the prepared
    /// files alone.
    let keepsContent: Bool
  }

  enum Beginning: Equatable {
    case begun
    /// It belongs to another epoch.
    case void
    /// A batch that was handed out earlier is not stored. All positions are read again.
    case outOfOrder
  }

  enum Permission: Equatable {
    /// Store it if the catalog still has these positions.
    case store(Catalog.Topic, expecting: [Int32: Catalog.Position?])
    /// Check first whether the topic still has these messages. Answer: `confirmed` or `topicRecreated`, or `failed`.
    case confirm([Int32: MessageMark])
    case void
  }

  /// What a transaction left of its batch.
  enum Remainder: Equatable {
    case nothing
    /// The rest is stored by another transaction.
    case rest
    /// The rest cannot be stored without its messages' content, which was given back.
    case unreadable
  }
}

extension Backoff {
  /// After a fault of the disk or the catalog.
  static let afterFault = Backoff(from: .milliseconds(500), to: .seconds(30))
}
