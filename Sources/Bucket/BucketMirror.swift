package import Output
package import Platform
package import S3
import SQLite

/// A copy of a bucket's log as a catalog in a scratch folder, for commands that read an output's catalog. Used by one
/// thread at a time; others may read the catalog meanwhile.
package final class BucketMirror {
  private let client: any S3Requests
  private let layout: BucketLayout
  private let scratch: TemporaryFolder
  let catalog: Catalog
  /// The message that each image's newest version came from.
  private let origins: Database
  private let find: Statement
  private let note: Statement
  /// How far each log was copied.
  private var logs: [LogSource: (topic: Catalog.Topic, next: Int64)] = [:]
  private(set) var gaps: [Gap] = []
  /// False after an error of the scratch folder: rows may be missing in the copy, and stay so.
  package private(set) var isWhole = true

  /// How many batches are read at the same time.
  private static let together = 64
  private static let mostRounds = 64

  /// The folder whose `.image-pipeline` has the catalog.
  package var folder: String { scratch.path }
  /// The output's identity.
  package let id: String

  /// Copies nothing yet.
  /// - Parameter ownID: the catalog's identity; nil: that of the output. Two copies may have the same rows in another order.
  /// - Returns: nil if the bucket has no output.
  package init?(_ client: any S3Requests, _ layout: BucketLayout, ownID: String? = nil) throws {
    guard let id = try BucketOutput.knownIdentity(client, layout) else { return nil }
    self.id = id
    self.client = client
    self.layout = layout
    scratch = try TemporaryFolder()
    catalog = try Catalog(copyIn: Folder.open(scratch.path).folder(".image-pipeline", creating: true), id: ownID ?? id)
    origins = try Database(path: scratch.path + "/origins.sqlite", busyTimeout: .zero)
    try origins.execute("CREATE TABLE origins (name TEXT PRIMARY KEY, origin TEXT NOT NULL) WITHOUT ROWID")
    find = try origins.prepare("SELECT origin FROM origins WHERE name = ?")
    note = try origins.prepare("REPLACE INTO origins VALUES (?, ?)")
  }

  deinit { scratch.remove() }

  /// Removes the copy.
  package func close() {
    origins.close()
    scratch.remove()
  }

  /// See `Catalog.eachRow`.
  package func eachRow(_ body: (_ name: String, StoredRow) throws -> Void) throws {
    try catalog.eachRow(layout.name(of:), body)
  }

  /// Offsets that no batch of a log has.
  struct Gap {
    let source: LogSource
    let offsets: Range<Int64>

    var description: String {
      "\(source.topic), partition \(source.partition), offsets \(offsets.lowerBound) to \(offsets.upperBound - 1)"
    }
  }

  /// The partitions that have a log.
  var sources: [LogSource] { logs.keys.sorted() }

  // MARK: Copying

  /// Copies what all logs have now.
  /// - Parameter stop: checked between batches.
  package func fill(stop: StopFlag = StopFlag()) throws {
    let sources = try findLogs()
    var listed: [(source: LogSource, first: Int64, modified: String)] = []
    for source in sources {
      let batches = try log(source).batches(from: logs[source]!.next)
      var latest = batches.last?.modified ?? ""
      for batch in batches.reversed() {
        // A batch that was written again by `repair` is younger than those that follow it.
        latest = min(latest, batch.modified)
        listed.append((source, batch.first, latest))
      }
    }
    // In the order in which they were stored, as far as that is known.
    listed.sort { ($0.modified, $0.source, $0.first) < ($1.modified, $1.source, $1.first) }
    for start in stride(from: 0, to: listed.count, by: Self.together) {
      try stop.check("not everything was compared")
      try copy(listed[start..<min(start + Self.together, listed.count)].map { ($0.source, $0.first) })
    }
    try follow()
  }

  /// Copies the batches that have filled gaps since.
  package func fillGaps() throws { try copy(gaps.map { ($0.source, $0.offsets.lowerBound) }) }

  /// Whether the bucket still has the output that is copied.
  package func isCurrent() throws -> Bool { try BucketOutput.knownIdentity(client, layout) == id }

  /// Looks for logs that are new, and copies the batches that follow in all of them, one after another: `fill` is faster
  /// if there are many.
  package func search() throws {
    _ = try findLogs()
    try follow()
  }

  /// Copies the batches that follow in the logs that are known: a limited number of each, because consumers may be faster.
  package func follow() throws {
    var next = logs.map { (source: $0.key, first: $0.value.next) }
    for _ in 0..<Self.mostRounds {
      if try copy(next) == 0 { return }
      // Those that had none have ended.
      next = next.compactMap { place in
        let now = logs[place.source]!.next
        return now > place.first ? (place.source, now) : nil
      }
    }
  }

  func log(_ source: LogSource) -> CommitLog { CommitLog(client: client, layout: layout.log(source)) }

  /// Looks for partitions and generations that are new.
  private func findLogs() throws -> [LogSource] {
    let found = try LogSources(client, layout)
    for (cluster, topic, generation) in found.topics {
      _ = try catalog.adopt(topic, cluster: cluster, generation: generation)
    }
    for source in found.all where logs[source] == nil {
      let topic = try catalog.topic(source.topic, cluster: source.cluster)
      logs[source] = (Catalog.Topic(id: topic.id, generation: source.generation), 0)
    }
    return found.all
  }

  /// - Returns: how many of these batches there are.
  @discardableResult
  private func copy(_ batches: [(source: LogSource, first: Int64)]) throws -> Int {
    let answers = client.perform(batches.map { .get(layout.log($0.source).commit($0.first)) })
    var found: [(source: LogSource, commit: Commit)] = []
    var next = logs.mapValues(\.next)
    for ((source, first), answer) in zip(batches, answers) {
      let response = try answer.get()
      if response.status == 404 { continue }
      let commit = try Commit(response, first: first, layout.log(source))
      // Those that a listing did not have, because they were stored meanwhile.
      while next[source]! < first, let missed = try log(source).commit(next[source]!, withRows: true) {
        found.append((source, missed))
        next[source] = missed.position.next
      }
      found.append((source, commit))
      next[source] = max(next[source]!, commit.position.next)
    }
    guard !found.isEmpty else { return 0 }
    // If one of both databases fails, the other one and `logs` may be ahead of it.
    isWhole = false
    let copies = try origins.transaction { try found.map { try copied($0.commit, $0.source) } }
    try catalog.copy(copies)
    isWhole = true
    return found.count
  }

  private func copied(_ commit: Commit, _ source: LogSource) throws -> Catalog.Copied {
    let (topic, next) = logs[source]!
    gaps.removeAll { $0.source == source && $0.offsets.lowerBound == commit.first }
    if commit.first > next { gaps.append(Gap(source: source, offsets: next..<commit.first)) }
    logs[source]!.next = max(next, commit.position.next)
    return Catalog.Copied(
      topic: topic, partition: source.partition, position: commit.position.next > next ? commit.position : nil,
      rows: commit.rows,
      names: try commit.rows.map { row in
        let name = layout.name(of: row)
        return try isNewest(name, ImageOrigin(row, source)) ? name : nil
      })
  }

  /// Whether no newer version of the image was copied. Notes the version if that is so.
  private func isNewest(_ name: String, _ origin: ImageOrigin) throws -> Bool {
    let known = try find.first(.text(name)) { $0.text(0) }
    if let known, let newest = ImageOrigin(known), !newest.isEarlier(than: origin) { return false }
    try note.run(.text(name), .text(origin.text))
    return true
  }
}
