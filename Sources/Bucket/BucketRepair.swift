package import Configuration
package import Output
package import Platform
import S3
import Telemetry
import Wire

/// Compares every object of an output in a bucket with the log, restores rows that the log has lost as far as the objects
/// show them, and removes what no batch needs. Consumers may go on storing.
package final class BucketRepair {
  private let verified: VerifiedBucket
  private let mirror: BucketMirror
  private let stop: StopFlag
  private let report: RepairReport
  package var result: Repair.Result { report.result }

  /// Images that differ from the log. They may be being replaced.
  private var suspects: [String] = []

  /// How long consumers have to log what they have just stored.
  private let patience: Duration
  private static let moment = Duration.milliseconds(200)
  /// The beginning of an image that is read for its format and its size.
  private static let headLength = 256 << 10

  /// Reads all objects.
  /// - Parameter report: called with each finding as soon as it is found.
  /// - Throws: `NoOutputInBucket`; `S3Error`; `Interruption`.
  package init(
    _ settings: BucketSettings, patience: Duration = .seconds(10), stop: StopFlag = StopFlag(),
    report: @escaping (Repair.Finding) -> Void
  ) throws {
    verified = try VerifiedBucket(settings, stop: stop)
    guard let mirror = verified.mirror else { throw NoOutputInBucket(address: settings.address) }
    self.mirror = mirror
    self.patience = patience
    self.stop = stop
    self.report = RepairReport(stop: stop, report: report)
  }

  package func run() throws {
    try fillGaps()
    try compareImages()
    try settleSuspects()
    try removeLeftovers()
  }

  // MARK: Rows

  private func fillGaps() throws {
    guard !mirror.gaps.isEmpty else { return }
    var rows = mirror.gaps.map { _ in [StoredRow]() }
    try verified.eachObject { object in
      try report.goOn()
      let place = mirror.gaps.firstIndex { gap in
        object.origin.isOf(gap.source) && gap.offsets.contains(object.origin.offset)
      }
      if let place, let row = try row(of: object) { rows[place].append(row) }
    }
    for (gap, rows) in zip(mirror.gaps, rows) { try fill(gap, rows.sorted { $0.offset < $1.offset }) }
    try mirror.fillGaps()
  }

  private func fill(_ gap: BucketMirror.Gap, _ rows: [StoredRow]) throws {
    let log = mirror.log(gap.source)
    // The notes of the batch that was lost are still there, unless several consumers tried to store it.
    let notes = try log.allNotes().filter { $0.first == gap.offsets.lowerBound }
    let commit = Commit(
      first: gap.offsets.lowerBound, position: Catalog.Position(next: gap.offsets.upperBound, last: nil),
      id: notes.count == 1 ? notes[0].id : String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16),
      time: WallClock.milliseconds, rows: rows, hasNotes: notes.count == 1)
    // Another repair may have filled it.
    guard try verified.client.perform(commit.request(log.layout)).status != 412 else { return }
    report.repaired(
      "log_filled",
      "the log lacked \(gap.description): \(Quantity.count(rows.count, "row")) written from the objects that are there",
      [
        ("topic", .string(gap.source.topic)), ("partition", .of(gap.source.partition)),
        ("first", .of(gap.offsets.lowerBound)), ("end", .of(gap.offsets.upperBound)), ("rows", .of(rows.count)),
      ])
  }

  /// nil if the object is gone.
  private func row(of object: VerifiedBucket.Object) throws -> StoredRow? {
    guard let name = try? ImageName(object.name) else { return nil }
    let range = object.size == 0 ? nil : 0..<min(object.size, Self.headLength)
    let response = try verified.client.perform(.get(verified.layout.image(name), range: range))
    // It was removed or replaced since its hash was computed.
    guard response.status != 404, response.metadata("origin") == object.origin.text else { return nil }
    let probe = response.body.withUnsafeBytes { ImageProbe($0) }
    let origin = object.origin
    var row = StoredRow(
      restored: name, at: "\(verified.layout.address)/\(name.value)", object.digest, size: object.size, probe,
      storedTime: WallClock.milliseconds)
    (row.topic, row.partition, row.offset) = (origin.topic, origin.partition, origin.offset)
    row.sentTime = origin.time == 0 ? nil : origin.time
    return row
  }

  // MARK: Images

  private func compareImages() throws {
    try mirror.catalog.eachImage { name, entry in
      try report.goOn()
      if try verified.storedDigest(name) == entry.digest { report.addSound() } else { suspects.append(name) }
    }
  }

  /// Reads the suspects again, a few at a time, until they agree with the log, or consumers have had time to log what they
  /// store.
  private func settleSuspects() throws {
    for start in stride(from: 0, to: suspects.count, by: objectsAtOnce) {
      var some = Array(suspects[start..<min(start + objectsAtOnce, suspects.count)])
      let deadline = Deadline(in: patience)
      while true {
        let isLastLook = deadline.hasPassed
        some = try stillDiffering(some, isLastLook: isLastLook)
        if some.isEmpty || isLastLook { break }
        _ = stop.wait(for: Self.moment)
        try report.goOn()
      }
    }
  }

  /// - Parameter isLastLook: whether differences are reported.
  private func stillDiffering(_ names: [String], isLastLook: Bool) throws -> [String] {
    let objects = try verified.client.read(names.map { verified.layout.image($0) }, stop: stop)
    try mirror.follow()
    var differing: [String] = []
    for (name, object) in zip(names, objects) {
      if let object, try object.digest == mirror.catalog.image(name)?.digest {
        report.addSound()
        continue
      }
      differing.append(name)
      guard isLastLook else { continue }
      if object == nil {
        report.remains("missing", name, "it is missing")
      } else {
        report.remains("altered", name, "its content differs from what was stored")
      }
    }
    return differing
  }

  // MARK: Leftovers

  /// Removes notes of batches that another consumer has stored.
  private func removeLeftovers() throws {
    var removed = 0
    for source in mirror.sources {
      try report.goOn()
      for key in try mirror.log(source).strangeNotes() {
        _ = try verified.client.perform(.delete(key))
        removed += 1
      }
    }
    if removed > 0 {
      report.repaired(
        "temporary_files_removed", "removed \(Quantity.count(removed, "unneeded object"))", [("files", .of(removed))])
    }
  }
}

/// `repair` of a bucket without an output.
struct NoOutputInBucket: Error, CustomStringConvertible {
  let address: BucketAddress
  var description: String {
    "\(address) has no output, so there is nothing to repair: correct PROCESSED_IMAGES_DIR, or start a consumer, which "
      + "stores everything that the topic has"
  }
}
