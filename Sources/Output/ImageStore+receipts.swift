import Messaging
import Platform
import SQLite
import Wire

/// Builds the receipts of a transaction.
extension ImageStore {
  /// The dead letter's reason for an image whose segments did not all arrive.
  static let segmentTimeout = "SegmentTimeout"

  /// Notes what became of an image, for the receipt of its partition.
  func confirm(
    _ outcome: Receipt.Outcome, _ name: String?, _ digest: Digest?, _ length: Int?, _ message: any Message,
    _ attempt: inout Attempt
  ) {
    guard outbox != nil else { return }
    attempt.receipts[message.partition, default: []].append(
      Receipt.Image(offset: message.offset, name: name, digest: digest, length: length, outcome: outcome))
  }

  /// Notes that a message is a dead letter. Its producer recognises it by key and headers, as far as they can be read.
  func confirmLetter(_ kind: String, _ message: any Message, _ attempt: inout Attempt) {
    guard outbox != nil else { return }
    let key = message.key.flatMap { $0.count <= ImageName.longestName ? String(validating: $0, as: UTF8.self) : nil }
    let headers = message.isReleased ? nil : try? ImageHeaders(message.header)
    confirm(.deadLetter(reason: kind), key, headers?.digest, headers?.length, message, &attempt)
  }

  /// The receipts of a transaction: one for each of its partitions, from the partition's position to the new one.
  func receipts(of attempt: Attempt, _ batch: Batch) throws -> [Receipt] {
    guard let outbox else { return [] }
    let time = WallClock.milliseconds
    return attempt.stored.positions.sorted { $0.key < $1.key }.map { partition, position in
      let lost = (batch.lost[partition] ?? []).filter { $0.upperBound <= position.next }
      let first =
        batch.base[partition]??.next ?? lost.first?.lowerBound
        ?? batch.messages.first { $0.partition == partition }?.offset ?? position.next
      return Receipt(
        output: outbox.output, topic: outbox.topicName, partition: partition, offsets: first..<position.next,
        time: time, images: attempt.receipts[partition] ?? [], lost: lost)
    }
  }

  /// The receipt of an image whose segments did not all arrive. Its messages have been dealt with before, so the range
  /// is empty.
  func receipts(ofExpired assembly: Catalog.Assembly, _ parts: [Catalog.Part], _ topic: Catalog.Topic) throws
    -> [Receipt]
  {
    guard let outbox, let last = parts.max(by: { $0.offset < $1.offset }) else { return [] }
    let next = try catalog.position(topic, partition: last.partition)?.next ?? last.offset + 1
    let image = Receipt.Image(
      offset: last.offset, name: assembly.name, digest: assembly.digest, length: assembly.length,
      outcome: .deadLetter(reason: Self.segmentTimeout))
    return [
      Receipt(
        output: outbox.output, topic: outbox.topicName, partition: last.partition, offsets: next..<next,
        time: WallClock.milliseconds, images: [image])
    ]
  }

  /// Writes receipts for offsets that were lost, if no message follows them in their partitions.
  /// - Parameters:
  ///   - base: the positions that the partitions must have in the catalog.
  /// - Returns: false if another consumer holds the lock. If a position is another one, nothing is written: its consumer
  ///   finds the loss, too.
  package func recordLosses(
    _ lost: [Int32: [Range<Int64>]], of topic: Catalog.Topic, base: [Int32: Catalog.Position?]
  ) throws -> Bool {
    guard let outbox, !lost.isEmpty else { return true }
    let time = WallClock.milliseconds
    let receipts = lost.sorted { $0.key < $1.key }.flatMap { partition, ranges in
      ranges.map {
        Receipt(
          output: outbox.output, topic: outbox.topicName, partition: partition, offsets: $0, time: time, lost: [$0])
      }
    }
    return try write(receipts, to: outbox, Batch(topic: topic, messages: [], base: base))
  }

  /// Writes a receipt for each partition that this consumer has read to its end without writing one. It names no image, and
  /// shows producers how far the partition is stored: the receipts of the last images may have been lost, and nothing may
  /// follow them for long. To be called during upkeep.
  ///
  /// The receipts of all images before that position are in the topic, or in front of this one in the outbox. If another
  /// consumer may still have to send some, that is awaited: they must not arrive later, or their images would be sent
  /// again in vain.
  package func recordPositions(_ positions: [Int32: Catalog.Position], of topic: Catalog.Topic) throws {
    guard let outbox else { return }
    outbox.forget(allBut: positions.keys)
    let quiet = try positions.filter { try !outbox.reported.contains($0.key) && !outbox.isElsewhere($0.key) }
    guard !quiet.isEmpty else { return }
    let time = WallClock.milliseconds
    let receipts = quiet.sorted { $0.key < $1.key }.map { partition, position in
      Receipt(
        output: outbox.output, topic: outbox.topicName, partition: partition, offsets: 0..<position.next, time: time)
    }
    _ = try write(receipts, to: outbox, Batch(topic: topic, messages: [], base: quiet))
  }

  /// Writes receipts in a transaction of their own, unless a position is another one than the batch expects.
  /// - Returns: false if another consumer holds the lock.
  private func write(_ receipts: [Receipt], to outbox: ReceiptOutbox, _ expected: Batch) throws -> Bool {
    guard try catalog.database.tryBegin() else { return false }
    do {
      guard try isOurs(expected) else {
        catalog.database.rollback()
        return true
      }
      let change = try outbox.write(receipts)
      try catalog.database.commit()
      outbox.committed(change)
      return true
    } catch {
      catalog.database.rollback()
      throw error
    }
  }
}
