import Platform
import SQLite
package import Wire

/// The receipts of one consumer that may not have been sent. A receipt is written in the transaction that it describes, so
/// each stored image has one. It is removed when the broker has acknowledged it. After a crash in between it is sent again. Used by the thread that uses the catalog.
package final class ReceiptOutbox {
  private let catalog: Catalog
  private let slot: ConsumerSlot
  private let topic: Catalog.Topic
  let topicName: String
  /// The receipts in the catalog.
  package private(set) var count: Int
  /// The partitions that this consumer has written receipts for.
  private(set) var reported: Set<Int32> = []
  /// Ids of receipts that the catalog still has, though the broker has them.
  private var acknowledged: [Int64] = []
  /// nil: nobody wants to know.
  private var sent: SentReceipts?
  /// The offset of each partition before which the broker has all receipts that this process has written.
  package var sentOffsets: [Int32: Int64] { sent?.positions ?? [:] }

  /// The size of a message from which on an image begins another one, in bytes.
  package static let messageBytes = 200_000
  /// How many receipts of another slot are taken over in one transaction.
  private static let mostAdopted = 1_000

  /// - Parameter notesSent: whether `sentOffsets` is wanted. It costs memory for each receipt that is not sent.
  package init(
    _ catalog: Catalog, _ topic: Catalog.Topic, _ topicName: String, slot: ConsumerSlot, notesSent: Bool = false
  ) throws {
    sent = notesSent ? SentReceipts() : nil
    self.catalog = catalog
    self.slot = slot
    self.topic = topic
    self.topicName = topicName
    count = try catalog.receiptCount(of: topic, slot: slot.number)
  }

  var output: String { catalog.id }

  /// Gives up the receipts that the slot's last holder has left and that this one does not send. Consumers of their topic
  /// take them over. To be called when the slot has been taken.
  /// - Parameter kept: the topic whose receipts this consumer sends; nil: it sends none.
  package static func giveUp(in slot: ConsumerSlot, allBut kept: Catalog.Topic?, _ catalog: Catalog) throws {
    try catalog.transaction {
      try catalog.prepared(composed: "UPDATE receipts SET slot = \(nobody) WHERE slot = ? AND topic IS NOT ?")
        .run(.integer(Int64(slot.number)), kept.map { .integer($0.id) } ?? .null)
    }
  }

  /// The number of no slot.
  private static let nobody = 0

  /// A receipt as it is sent.
  package struct Row {
    package let id: Int64
    package let key: [UInt8]
    package let value: [UInt8]

    package init(id: Int64, key: [UInt8], value: [UInt8]) {
      self.id = id
      self.key = key
      self.value = value
    }
  }

  /// At most `limit` receipts after `id`, oldest first.
  package func rows(after id: Int64, atMost limit: Int) throws -> [Row] {
    try catalog.receipts(of: topic, slot: slot.number, after: id, atMost: limit)
  }

  // MARK: Within a transaction

  /// What a transaction changes. It counts once it is committed.
  struct Change {
    fileprivate var added = 0
    fileprivate var removed = 0
    fileprivate var receipts: [(ids: [Int64], partition: Int32, next: Int64)] = []
  }

  /// Writes receipts, and removes those that are acknowledged. To be called within a transaction.
  func write(_ receipts: [Receipt]) throws -> Change {
    var change = Change(removed: acknowledged.count)
    for id in acknowledged { try catalog.removeReceipt(id) }
    for receipt in receipts {
      var ids: [Int64] = []
      for value in receipt.values(ofAbout: Self.messageBytes) {
        try catalog.addReceipt(receipt.key, value, of: topic, slot: slot.number)
        ids.append(catalog.database.lastInsertedRow)
      }
      change.receipts.append((ids, receipt.partition, receipt.offsets.upperBound))
      change.added += ids.count
    }
    return change
  }

  func committed(_ change: Change) {
    acknowledged.removeFirst(change.removed)
    count += change.added - change.removed
    for receipt in change.receipts {
      reported.insert(receipt.partition)
      sent?.written(receipt.ids, receipt.partition, next: receipt.next)
    }
  }

  /// Has the partitions reported again when this consumer has got them again.
  func forget(allBut partitions: some Sequence<Int32>) { reported.formIntersection(partitions) }

  /// Whether other consumers may still have to send receipts of a partition.
  func isElsewhere(_ partition: Int32) throws -> Bool {
    let key = Receipt(output: output, topic: topicName, partition: partition, offsets: 0..<0, time: 0).key
    return try catalog.prepared("SELECT 1 FROM receipts WHERE topic = ? AND slot <> ? AND key = ? LIMIT 1")
      .first(.integer(topic.id), .integer(Int64(slot.number)), .blob(key)) { _ in true } ?? false
  }

  // MARK: Between transactions

  /// The broker has these receipts. The next transaction removes them.
  package func acknowledge(_ ids: [Int64]) {
    acknowledged += ids
    sent?.acknowledged(ids)
  }

  /// Writes receipts that another consumer may not have sent.
  /// - Returns: false if another consumer holds the lock.
  package func add(_ receipts: [Receipt]) throws -> Bool {
    try transaction { try write(receipts) } != nil
  }

  /// How many receipts the next transaction removes.
  package var removable: Int { acknowledged.count }

  /// Removes the acknowledged receipts.
  /// - Returns: false if another consumer holds the lock.
  package func removeAcknowledged() throws -> Bool {
    acknowledged.isEmpty ? true : try transaction { Change() } != nil
  }

  /// Takes over receipts of slots that no consumer holds.
  /// - Returns: false if another consumer holds the lock.
  package func adopt() throws -> Bool {
    let slots = try catalog.receiptSlots(of: topic).subtracting([slot.number])
    guard !slots.isEmpty else { return true }
    let taken = Set(try slot.others().filter { try $0.isTaken() }.map(\.number))
    for left in slots.subtracting(taken).sorted() {
      let change = try transaction {
        Change(added: try catalog.moveReceipts(of: topic, from: left, to: slot.number, atMost: Self.mostAdopted))
      }
      guard change != nil else { return false }
      FaultPoint.receiptsAdopted.reached()
    }
    return true
  }

  /// - Returns: nil if another consumer holds the lock.
  private func transaction(_ body: () throws -> Change) throws -> Change? {
    guard try catalog.database.tryBegin() else { return nil }
    do {
      var change = try body()
      change.removed = try write([]).removed
      try catalog.database.commit()
      committed(change)
      return change
    } catch {
      catalog.database.rollback()
      throw error
    }
  }
}

extension Catalog {
  fileprivate func addReceipt(_ key: [UInt8], _ value: [UInt8], of topic: Topic, slot: Int) throws {
    try prepared("INSERT INTO receipts (topic, slot, key, value) VALUES (?, ?, ?, ?)").run(
      .integer(topic.id), .integer(Int64(slot)), .blob(key), .blob(value))
  }

  fileprivate func removeReceipt(_ id: Int64) throws {
    try prepared("DELETE FROM receipts WHERE id = ?").run(.integer(id))
  }

  fileprivate func receiptCount(of topic: Topic, slot: Int) throws -> Int {
    try prepared("SELECT count(*) FROM receipts WHERE topic = ? AND slot = ?")
      .first(.integer(topic.id), .integer(Int64(slot))) { Int($0.integer(0)) } ?? 0
  }

  fileprivate func receiptSlots(of topic: Topic) throws -> Set<Int> {
    var slots: Set<Int> = []
    try prepared("SELECT DISTINCT slot FROM receipts WHERE topic = ?").each(.integer(topic.id)) { row in
      slots.insert(Int(row.integer(0)))
      return true
    }
    return slots
  }

  fileprivate func receipts(of topic: Topic, slot: Int, after id: Int64, atMost limit: Int) throws
    -> [ReceiptOutbox.Row]
  {
    var rows: [ReceiptOutbox.Row] = []
    try prepared("SELECT id, key, value FROM receipts WHERE id > ? AND topic = ? AND slot = ? ORDER BY id LIMIT ?")
      .each(.integer(id), .integer(topic.id), .integer(Int64(slot)), .integer(Int64(limit))) { row in
        rows.append(ReceiptOutbox.Row(id: row.integer(0), key: row.blob(1), value: row.blob(2)))
        return true
      }
    return rows
  }

  /// Gives receipts to another slot, under new ids: the consumer that holds it looks for ids after the last one that it
  /// has seen.
  /// - Returns: how many.
  fileprivate func moveReceipts(of topic: Topic, from slot: Int, to other: Int, atMost limit: Int) throws -> Int {
    let rows = try receipts(of: topic, slot: slot, after: 0, atMost: limit)
    for row in rows {
      try addReceipt(row.key, row.value, of: topic, slot: other)
      try removeReceipt(row.id)
    }
    return rows.count
  }
}
