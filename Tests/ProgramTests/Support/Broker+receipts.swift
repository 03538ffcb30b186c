import Testing

@testable import Kafka
@testable import Wire

extension Broker {
  var receiptsTopic: String { topic + "-receipts" }

  /// The receipts so far, in order within each partition of their topic.
  func receipts() throws -> [Receipt] {
    try messages(receiptsTopic).map { message in
      let value = try #require(message.value)
      let receipt = try value.withUnsafeBytes { try Receipt(value: $0) }
      #expect(message.key == receipt.key)
      return receipt
    }
  }

  /// The outcomes that receipts state for each image, without repetitions, in their order.
  func confirmed() throws -> [String: [Receipt.Outcome]] {
    var outcomes: [String: [Receipt.Outcome]] = [:]
    for image in try receipts().flatMap(\.images) {
      let name = image.name ?? "?"
      if outcomes[name]?.contains(image.outcome) != true { outcomes[name, default: []].append(image.outcome) }
    }
    return outcomes
  }
}

extension [Receipt] {
  /// The offsets of a partition that no receipt speaks of.
  func gaps(in partition: Int32, upTo end: Int64) -> [Range<Int64>] {
    var (gaps, next) = ([Range<Int64>](), Int64(0))
    for range in filter({ $0.partition == partition }).map(\.offsets).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { gaps.append(next..<range.lowerBound) }
      next = Swift.max(next, range.upperBound)
    }
    return next < end ? gaps + [next..<end] : gaps
  }
}
