import TestSupport
import Testing

@testable import Producer
@testable import Wire

@Suite struct ReceiptBatchTests {
  private func receipt(images count: Int) -> Receipt {
    let image = Receipt.Image(offset: 0, name: "a.jpg", digest: nil, length: nil, outcome: .stored)
    return Receipt(
      output: "o", topic: "t", partition: 0, offsets: 0..<1, time: 0,
      images: [Receipt.Image](repeating: image, count: count))
  }

  @Test("a batch ends after a moment, whether or not receipts have arrived", arguments: [0, 1])
  func batchEndsSoon(receipts count: Int) {
    var batch = ReceiptBatch()
    for _ in 0..<count { batch.add(receipt(images: 1)) }
    #expect(eventually(within: .seconds(2)) { batch.timeout == nil })
    #expect(batch.receipts.count == count)
  }

  @Test("a batch ends when it has many images") func batchIsLimited() {
    var batch = ReceiptBatch()
    while batch.timeout != nil, batch.receipts.count < 100 { batch.add(receipt(images: 1_000)) }
    #expect((10...30).contains(batch.receipts.count))
  }
}
