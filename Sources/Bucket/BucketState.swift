import Messaging
package import Output
import Platform
package import S3
import Synchronization
package import Wire

/// How far a consumer's partitions are stored, according to the log in the bucket. Positions that are read from the log are
/// copied into the consumer's own catalog.
package final class BucketState: StoredPositions {
  package let id: String
  let client: any S3Requests
  let layout: BucketLayout
  private let catalog: Catalog

  private struct Batch {
    let checkpoint: CommitLog.Checkpoint
    let id: String
    /// Whether this consumer's catalog has it, with its receipt until that is sent.
    let isRecorded: Bool

    init(_ commit: Commit, isRecorded: Bool) {
      checkpoint = CommitLog.Checkpoint(first: commit.first, position: commit.position)
      id = commit.id
      self.isRecorded = isRecorded
    }
  }

  private struct Source {
    let name: String
    let cluster: String
  }

  private var sources: [Int64: Source] = [:]
  /// The position of each partition up to which its messages are known to be in the log.
  private(set) var committed: [Int32: Int64] = [:]
  /// The batches of each partition since the last checkpoint, as far as this consumer has stored them or has found them
  /// at the end of the log.
  private var batches: [Int32: [Batch]] = [:]
  /// The offset of each partition before which receipts were handed to `resend`.
  private var queued: [Int32: Int64] = [:]
  private var current: Catalog.Topic?
  private var nextCheckpoint = MonotonicClock.now

  /// Reads segments again whose images are incomplete, and hands them to `ImageStore.restore`.
  package var restore: (_ topic: String, _ partition: Int32, _ offsets: [Range<Int64>], Catalog.Topic) throws -> Void =
    { _, _, _, _ in }
  /// Receives receipts that a consumer may not have sent; nil: none are sent.
  package var resend: (([Receipt]) throws -> Void)?

  /// Called before positions are read. Batches that were prepared before are not stored any more.
  var willReadPositions: () -> Void = {}

  private static let checkpointInterval = Duration.seconds(5)
  private static let threads = 16

  package init(_ client: any S3Requests, _ layout: BucketLayout, _ catalog: Catalog) {
    self.client = client
    self.layout = layout
    self.catalog = catalog
    id = catalog.id
  }

  func log(_ topic: Catalog.Topic, _ partition: Int32) -> CommitLog {
    let source = sources[topic.id]!
    return CommitLog(
      client: client,
      layout: layout.log(source.name, cluster: source.cluster, generation: topic.generation, partition: partition))
  }

  func cluster(of topic: Catalog.Topic) -> String { sources[topic.id]!.cluster }

  /// The object that exists if the topic was re-created.
  func nextGeneration(of topic: Catalog.Topic) -> String {
    let source = sources[topic.id]!
    return layout.beginning(topic.generation + 1, source.name, cluster: source.cluster)
  }

  // MARK: Topics

  package func topic(_ name: String, cluster: String) throws -> Catalog.Topic {
    let folders = try S3Listing.folders(client, below: layout.topic(name, cluster: cluster))
    let newest = max(1, folders.compactMap { Int64($0) }.max() ?? 1)
    let topic = try catalog.adopt(name, cluster: cluster, generation: newest)
    if topic != current {
      // The state belongs to the earlier topic of that name.
      (committed, batches, queued, current) = ([:], [:], [:], topic)
    }
    sources[topic.id] = Source(name: name, cluster: cluster)
    return topic
  }

  package func advance(_ topic: Catalog.Topic) throws {
    let source = sources[topic.id]!
    let key = nextGeneration(of: topic)
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    // If it exists, another consumer has found the same.
    _ = try client.perform(.put(key, .none, digest: SHA256.hash(nothing), if: .isAbsent))
    _ = try catalog.adopt(source.name, cluster: source.cluster, generation: topic.generation + 1)
  }

  // MARK: Positions

  package func positions(of topic: Catalog.Topic, in partitions: [Int32]) throws -> [Int32: Catalog.Position] {
    willReadPositions()
    let logs = partitions.map { log(topic, $0) }
    let ends = ResultSlots<CommitLog.End>(count: logs.count)
    try parallel(logs.count, threads: Self.threads) { ends[$0] = try logs[$0].end() }
    let found = Dictionary(uniqueKeysWithValues: zip(partitions, ends.all))
    let positions = found.compactMapValues(\.position)
    try catalog.adopt(positions, of: topic, in: partitions)
    for (partition, end) in found {
      committed[partition] = end.position?.next ?? 0
      if let last = end.last, batches[partition]?.last?.id != last.id {
        batches[partition, default: []].append(Batch(last, isRecorded: false))
      }
      try reopen(end, topic, partition)
      try confirm(end, topic, partition)
    }
    return positions
  }

  /// Reads the segments of incomplete images again.
  private func reopen(_ end: CommitLog.End, _ topic: Catalog.Topic, _ partition: Int32) throws {
    guard let last = end.last else { return }
    let open = try log(topic, partition).notes(of: last).open
    if !open.isEmpty { try restore(sources[topic.id]!.name, partition, open, topic) }
  }

  /// The log and this consumer's catalog have the batch.
  func recorded(_ commit: Commit, _ partition: Int32) {
    committed[partition] = commit.position.next
    batches[partition, default: []].append(Batch(commit, isRecorded: true))
  }

  // MARK: Receipts

  /// Sends receipts again for batches of other consumers.
  private func confirm(_ end: CommitLog.End, _ topic: Catalog.Topic, _ partition: Int32) throws {
    guard let resend, !end.unconfirmed.isEmpty else { return }
    let log = log(topic, partition)
    let own = Set((batches[partition] ?? []).filter(\.isRecorded).map(\.id))
    let known = queued[partition] ?? 0
    try log.each(end.unconfirmed.filter { $0 >= known }) { commit in
      defer { queued[partition] = commit.position.next }
      guard !own.contains(commit.id) else { return }
      try resend([receipt(for: commit, try log.notes(of: commit), sources[topic.id]!.name, partition)])
    }
  }

  private func receipt(for commit: Commit, _ notes: BatchNotes, _ topic: String, _ partition: Int32) -> Receipt {
    let known = Set((notes.receipt?.images ?? []).map(\.offset))
    let stored = commit.rows.filter { !known.contains($0.offset) }.map { row in
      Receipt.Image(
        offset: row.offset, name: layout.name(of: row), digest: row.digest, length: row.size, outcome: .stored)
    }
    let images = (stored + (notes.receipt?.images ?? [])).sorted { $0.offset < $1.offset }
    return Receipt(
      output: id, topic: topic, partition: partition, offsets: commit.first..<commit.position.next, time: commit.time,
      images: images, lost: notes.receipt?.lost ?? [])
  }

  package func confirmed(_ offsets: [Int32: Int64], of topic: Catalog.Topic) {
    let now = MonotonicClock.now
    guard now >= nextCheckpoint, sources[topic.id] != nil else { return }
    nextCheckpoint = now + Self.checkpointInterval
    for (partition, offset) in offsets {
      guard let index = batches[partition]?.lastIndex(where: { $0.checkpoint.position.next <= offset }) else {
        continue
      }
      let checkpoint = batches[partition]![index].checkpoint
      batches[partition]!.removeFirst(index + 1)
      // Nothing depends on it: without it, the next consumer reads more of the log.
      client.send(log(topic, partition).request(checkpoint)) { _ in }
    }
  }
}
