extension SessionDriver {
  /// Notes how far receipts are sent. To be called between transactions.
  /// - Parameter sent: the offset of each partition before which the broker has all receipts; nil: there are none.
  func noteReceipts(sentUpTo sent: [Int32: Int64]?) {
    positions.confirmed(sent ?? session.partitions.compactMapValues { $0.stored?.next }, of: session.topic)
  }
}
