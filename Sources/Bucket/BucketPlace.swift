package import Messaging
package import Output
package import Platform
import S3
package import Wire

/// Images in a bucket, with their rows in the log there.
package final class BucketPlace: ImagePlace {
  private let state: BucketState
  private let catalog: Catalog
  private let uploads: Uploads
  private let preparer: BucketPreparer

  package var sameName = SameName.replace
  package var path: String { state.layout.address.description }

  /// Of the open transaction, in the order of the messages.
  private var rows: [Int32: [StoredRow]] = [:]
  /// Images that are stored under another name than they were sent under: their offsets.
  private var renamed: [Int32: Set<Int64>] = [:]
  private var batches: [Batch] = []

  package init(_ state: BucketState, _ catalog: Catalog, _ segments: SegmentFiles) {
    self.state = state
    self.catalog = catalog
    uploads = Uploads(state.client, state.layout)
    let preparer = BucketPreparer(segments, uploads)
    self.preparer = preparer
    state.willReadPositions = { preparer.restart() }
  }

  private func plan(_ topic: Catalog.Topic) -> UploadPlan {
    UploadPlan(
      cluster: state.cluster(of: topic), generation: topic.generation, sameName: sameName, committed: state.committed)
  }

  // MARK: Preparation

  package func begin(_ batch: ImageStore.Batch, releasing: Bool) -> Preparation {
    preparer.begin(batch, plan(batch.topic), releasing: releasing)
  }

  package var mustReadAgain: Bool { preparer.mustReadAgain }
  package func restart() { preparer.restart() }

  /// Objects stay in the bucket: when their messages are stored again, they are found.
  package func drop(_ prepared: ArraySlice<Prepared>) { preparer.drop(prepared) }

  package func interrupt() { state.client.close() }

  // MARK: Transaction

  package func beginTransaction() { (rows, renamed) = ([:], [:]) }

  package func store(
    _ image: PreparedImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement {
    let placement =
      try (image.kept as? UploadedImage)?.placement
      ?? uploads.run(image, message, plan(topic)) { try heart.beat() }
    note(placement, image.name, image.digest, image.probe, message)
    return placement
  }

  package func isStored(
    _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Bool {
    if let found = part.finding as? StoredBefore { return found.isStored }
    return try uploads.areStored([(part, message)], plan(topic)) { try heart.beat() }[0]
  }

  package func isPast(
    _ name: ImageName, _ digest: Digest, _ message: any Message, _ topic: Catalog.Topic
  ) throws -> Bool { false }

  package func store(
    _ image: AssembledImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement {
    try store(image.prepared, of: message, topic, heart)
  }

  /// A faulty sender may have altered the file since an attempt that was interrupted has sent the image.
  package func storedBefore(
    _ assembly: Catalog.Assembly, _ name: ImageName, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement? {
    let found = try uploads.storedBefore(name, assembly.digest, assembly.length, message, plan(topic)) {
      try heart.beat()
    }
    guard let (placement, probe) = found else { return nil }
    note(placement, name, assembly.digest, probe, message)
    return placement
  }

  package func refusal(of image: PreparedImage) throws -> ImageName.Refusal? { nil }

  private func note(
    _ placement: Placement, _ sent: ImageName, _ digest: Digest, _ probe: ImageProbe, _ message: any Message
  ) {
    guard case .stored(let image) = placement else { return }
    rows[message.partition, default: []].append(
      StoredRow(filePath: path + "/" + image.name.value, image.name, digest, image.bytes, probe, message))
    if image.name != sent { renamed[message.partition, default: []].insert(message.offset) }
  }

  // MARK: The log

  package func seal(_ transaction: SealedTransaction, _ heart: Heartbeat) throws -> Bool {
    batches = try transaction.positions.sorted { $0.key < $1.key }.map { try batch($0.key, $0.value, transaction) }
    let notes = batches.filter(\.commit.hasNotes).map { $0.log.request($0.notes, of: $0.commit) }
    let next = S3Request.head(state.nextGeneration(of: transaction.topic))
    let answers = try state.client.perform(notes + [next], whileWaiting: { try heart.beat() }).map { try $0.get() }
    // Another consumer has found that the topic was re-created.
    guard answers.last?.status == 404 else { return false }
    FaultPoint.notesWritten.reached()
    let commits = batches.map { $0.commit.request($0.log.layout) }
    var isOurs = true
    for (batch, answer) in zip(batches, try state.client.perform(commits, whileWaiting: { try heart.beat() })) {
      guard try answer.get().status == 412 else { continue }
      // An attempt whose answer was lost may have created it.
      if try batch.log.commit(batch.commit.first, withRows: false)?.id != batch.commit.id { isOurs = false }
    }
    FaultPoint.batchLogged.reached()
    // If one is not, the others count all the same: the positions are read again, and the receipts with them.
    return isOurs
  }

  package func recorded(_ transaction: SealedTransaction) {
    for batch in batches { state.recorded(batch.commit, batch.partition) }
    preparer.stored(transaction.positions)
  }

  private struct Batch {
    let partition: Int32
    let log: CommitLog
    let commit: Commit
    let notes: BatchNotes
  }

  private func batch(
    _ partition: Int32, _ position: Catalog.Position, _ transaction: SealedTransaction
  ) throws -> Batch {
    let first = transaction.base[partition]??.next ?? 0
    let time = WallClock.milliseconds
    let others = (transaction.images[partition] ?? []).filter {
      $0.outcome != .stored || renamed[partition]?.contains($0.offset) == true
    }
    let lost = (transaction.lost[partition] ?? []).filter { $0.upperBound <= position.next }
    var notes = BatchNotes(open: BatchNotes.ranges(try catalog.openOffsets(of: partition)))
    if !others.isEmpty || !lost.isEmpty {
      notes.receipt = Receipt(
        output: state.id, topic: "", partition: partition, offsets: first..<position.next, time: time, images: others,
        lost: lost)
    }
    let commit = Commit(
      first: first, position: position, id: String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16), time: time,
      rows: rows[partition] ?? [],
      hasNotes: !notes.isEmpty)
    return Batch(partition: partition, log: state.log(transaction.topic, partition), commit: commit, notes: notes)
  }
}
