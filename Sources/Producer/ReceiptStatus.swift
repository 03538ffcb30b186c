import Platform
import Synchronization

/// The state of the receipt reader, for other threads.
final class ReceiptStatus: Sendable {
  /// Set when the receipts that existed at the start have been applied, or cannot be read.
  let hasCaughtUp = StopFlag()
  /// Whether the ledger is being changed, and the files concerned are not given back yet.
  let isApplying = Atomic(false)

  /// What becomes of images that wait for receipts when the topic turns out to be another one.
  enum Losing: Equatable, Sendable {
    case nothing
    /// The ledger is being told that they are lost.
    case recording
    /// Those after this path are still to be looked at again.
    case recorded(after: String)
  }
  let losing = Mutex(Losing.nothing)
}
