import Platform
import Synchronization

/// The state of the receipt reader, for other threads.
final class ReceiptStatus: Sendable {
  /// Set when the receipts that existed at the start have been applied, or cannot be read.
  let hasCaughtUp = StopFlag()
  /// Whether the ledger is being changed, and the files concerned are not given back yet.
  let isApplying = Atomic(false)
}
