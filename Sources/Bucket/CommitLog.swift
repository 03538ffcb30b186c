import Output
import Platform
import S3
import Wire

/// The log of one partition. Each batch is an object that is named after its first offset. The consumer that creates the
/// object has stored the batch.
struct CommitLog: Sendable {
  let client: any S3Requests
  let layout: LogLayout

  /// How many objects are read at the same time.
  private static let together = 64

  // MARK: Reading

  /// The end of a partition's log.
  struct End: Sendable {
    /// nil: nothing is stored.
    var position: Catalog.Position?
    /// The last batch.
    var last: Commit?
    /// The first offsets of the batches whose receipts may not have been sent, in order.
    var unconfirmed: [Int64] = []
  }

  /// Finds the end of the log. It begins at the checkpoint, which is written from time to time, and follows the log by
  /// its names.
  func end() throws -> End {
    var end = End()
    let checkpoint = try self.checkpoint()
    end.position = checkpoint?.position
    end.unconfirmed = try firsts(from: checkpoint?.position.next ?? 0)
    if let first = end.unconfirmed.last ?? checkpoint?.first { end.last = try commit(first, withRows: false) }
    if let last = end.last { end.position = last.position }
    // A listing may be older than the last batch.
    while let next = try commit(end.position?.next ?? 0, withRows: false) {
      end.unconfirmed.append(next.first)
      (end.last, end.position) = (next, next.position)
    }
    return end
  }

  /// A batch up to which all receipts are sent.
  struct Checkpoint: Equatable, Sendable {
    /// The batch's first offset.
    let first: Int64
    let position: Catalog.Position
  }

  func checkpoint() throws -> Checkpoint? {
    let response = try client.perform(.head(layout.checkpoint))
    guard response.status != 404, let position = Catalog.Position(response),
      let first = response.metadata(Self.firstOffset).flatMap({ Int64($0) })
    else { return nil }
    return Checkpoint(first: first, position: position)
  }

  private static let firstOffset = "first"

  /// A batch that a listing has.
  struct Listed {
    /// The batch's first offset.
    let first: Int64
    /// When it was stored. The texts have the order of the times.
    let modified: String
  }

  /// The first offsets of all batches from that position on, in order.
  func firsts(from first: Int64) throws -> [Int64] { try batches(from: first).map(\.first) }

  /// All batches from that position on, in order.
  func batches(from first: Int64) throws -> [Listed] {
    var found: [Listed] = []
    var listing = S3Listing(client, prefix: layout.folder, after: layout.before(first))
    while let page = try listing.nextPage() {
      let batches = page.objects.compactMap { object in
        layout.first(of: object.key).map { Listed(first: $0, modified: object.modified) }
      }
      found += batches
      // The remaining keys are not those of batches.
      if batches.count < page.objects.count { break }
    }
    return found
  }

  /// - Returns: nil if there is no such batch.
  func commit(_ first: Int64, withRows: Bool) throws -> Commit? {
    let key = layout.commit(first)
    let response = try client.perform(withRows ? .get(key) : .head(key))
    return response.status == 404 ? nil : try Commit(response, first: first, layout)
  }

  /// Calls `body` with batches in order, each with its rows.
  func each(_ firsts: [Int64], _ body: (Commit) throws -> Void) throws {
    for start in stride(from: 0, to: firsts.count, by: Self.together) {
      let some = firsts[start..<min(start + Self.together, firsts.count)]
      for (first, answer) in zip(some, client.perform(some.map { .get(layout.commit($0)) })) {
        let response = try answer.get()
        // Removed since it was listed.
        if response.status == 404 { continue }
        try body(Commit(response, first: first, layout))
      }
    }
  }

  func notes(of commit: Commit) throws -> BatchNotes {
    guard commit.hasNotes else { return BatchNotes() }
    let key = layout.notes(commit.first, id: commit.id)
    let response = try client.perform(.get(key))
    guard response.status != 404 else { throw DamagedLog(key: key, reason: "it is missing") }
    return try BatchNotes(response.body, key: key)
  }

  /// The notes of all attempts to store a batch.
  func allNotes() throws -> [(key: String, first: Int64, id: String)] {
    var listing = S3Listing(client, prefix: layout.allNotes)
    return try listing.all().compactMap { object in
      layout.batch(ofNotes: object.key).map { (object.key, $0.first, $0.id) }
    }
  }

  /// The keys of notes whose batch another consumer has stored.
  func strangeNotes() throws -> [String] {
    let notes = try allNotes()
    var strange: [String] = []
    for start in stride(from: 0, to: notes.count, by: Self.together) {
      let some = notes[start..<min(start + Self.together, notes.count)]
      for (note, answer) in zip(some, client.perform(some.map { .head(layout.commit($0.first)) })) {
        let response = try answer.get()
        if response.status == 404 { continue }
        if try Commit(response, first: note.first, layout).id != note.id {
          strange.append(note.key)
        }
      }
    }
    return strange
  }

  // MARK: Writing

  func request(_ notes: BatchNotes, of commit: Commit) -> S3Request {
    let bytes = notes.json
    return .put(
      layout.notes(commit.first, id: commit.id), .bytes(bytes),
      digest: bytes.withUnsafeBytes { SHA256.hash($0) }, type: "application/json")
  }

  func request(_ checkpoint: Checkpoint) -> S3Request {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    return .put(
      layout.checkpoint, .none, digest: SHA256.hash(nothing),
      metadata: checkpoint.position.metadata + [(Self.firstOffset, String(checkpoint.first))])
  }
}
