import Kafka
import Output

/// The states of a session, what it asks for, and what it answers.
extension ConsumerSession {
  enum State: Equatable {
    /// The group was not joined yet.
    case new
    /// The group has assigned nothing yet, not even an empty set of partitions.
    case waiting(since: Instant, wasAssigned: Bool)
    /// The catalog's positions are to be read: of a new assignment, or again.
    case unread(due: Instant, isNewAssignment: Bool)
    /// The topic was re-created: its generation is to be advanced in the catalog.
    case recreated(due: Instant)
    /// The positions are known.
    case reading
  }

  enum Work: Equatable {
    case none
    /// From a batch's dead letters to the end of its transaction, and the waits between its attempts.
    case storing(BatchTicket, RetryDelay)
    /// Images whose segments did not all come are given up.
    case upkeep(epoch: Int)
  }

  enum Fetching { case running, paused }

  enum Action: Equatable {
    /// Answer: `generationAdvanced` or `catalogFailed`.
    case advanceGeneration(Catalog.Topic)
    /// Of these partitions. Answer: `positionsRead` or `catalogFailed`.
    case readPositions([Int32], isNewAssignment: Bool)
    /// Answer: `placed` or `seekFailed`.
    case seek(Int32, KafkaConsumer.StartOffset)
    /// All partitions. Answered by itself.
    case pause
    case resume
  }

  /// What became of a message or an end.
  enum Reception: Equatable {
    /// It says nothing of the partition: it comes from another offset, or from before a change.
    case ignored
    case noted(PartitionSession.Loss?)
  }

  struct Batch {
    let ticket: BatchTicket
    let messages: [Message]
    /// Whether the messages' content is needed until they are stored: something stood in the way of storing what is prepared
    /// and nothing else.
    let keepsContent: Bool
  }

  enum Beginning: Equatable {
    case begun
    /// It belongs to another epoch.
    case void
    /// Something that was handed out before it is not stored. All positions are read again.
    case outOfOrder
  }

  enum Permission: Equatable {
    /// Store it if the catalog still has these positions.
    case store(Catalog.Topic, expecting: [Int32: Catalog.Position?])
    /// Look first whether the topic still has these messages. Answer: `confirmed` or `topicRecreated`, or `failed`.
    case confirm([Int32: Catalog.Mark])
    case void
  }

  /// What a transaction has left of its batch.
  enum Remainder: Equatable {
    case nothing
    /// It is stored by another transaction.
    case rest
    /// It cannot be stored without its messages' content, which was given back.
    case unreadable
  }
}
