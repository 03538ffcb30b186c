import Platform
import Wire

/// Receipts that are applied in one transaction. A batch ends after a moment, or when it has many images, whatever else
/// arrives: messages that are not receipts must not delay those that are.
struct ReceiptBatch {
  private(set) var receipts: [Receipt] = []
  private var images = 0
  private let deadline = Deadline(in: .milliseconds(100))

  /// How long to wait for one more receipt.
  private static let gathering = Duration.milliseconds(50)
  private static let mostImages = 20_000

  /// How long to wait for the next message; nil if the batch has ended.
  var timeout: Duration? {
    guard images < Self.mostImages, !deadline.hasPassed else { return nil }
    return receipts.isEmpty ? deadline.remaining : Self.gathering
  }

  mutating func add(_ receipt: Receipt) {
    receipts.append(receipt)
    // A receipt without images takes time, too.
    images += receipt.images.count + 1
  }
}
