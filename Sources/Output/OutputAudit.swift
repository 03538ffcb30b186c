import Glibc
package import Platform
import SQLite
import Wire

/// Compares an output's catalog, CSV file and images by their names, sizes and times. No image is read, and consumers may
/// go on storing: what differs because it is being stored at the moment is looked at again.
///
/// Other bytes under an unchanged size and time stay unseen. Only `Verifier`, which reads everything, finds those.
package final class OutputAudit {
  package enum Fault: String, CaseIterable, Sendable {
    /// The catalog has the image, and its file is gone.
    case fileMissing = "file_missing"
    /// The file has another size, or other bytes.
    case fileAltered = "file_altered"
    /// A file that the catalog does not have.
    case fileUnknown = "file_unknown"
    /// The catalog has the image's row, and does not say that it is stored.
    case entryMissing = "entry_missing"
    case rowMissing = "row_missing"
    case rowDoubled = "row_doubled"
    case rowAltered = "row_altered"
    case rowUnknown = "row_unknown"
    /// The log lacks a batch.
    case batchMissing = "batch_missing"
  }

  package struct Finding: Sendable {
    package let fault: Fault
    /// The image's name, or a row's `file_path` if no name is found in it.
    package let name: String
    /// Of the image's newest row; nil if that is not one of the topic.
    package let partition: Int32?
  }

  package struct Result: Sendable {
    /// Images that the catalog has.
    package var images = 0
    /// Images whose file is as it was stored, by size and time.
    package var sound = 0
    /// Images whose file has the size of the stored one and another time. There were too many of them to read all.
    package var unproven = 0
    /// Rows that are the same in catalog and CSV file.
    package var rows = 0
    /// True if too many rows differ: then the rest of the CSV file was not compared.
    package var skipsRows = false
    package var faults: [Fault: Int] = [:]
    /// The sound and the unproven ones by the partition of their newest row; nil: the row is of another topic.
    package var storedByPartition: [Int32?: Int] = [:]
    package var isClean: Bool { faults.isEmpty }
  }

  package let files: any StoredFiles
  private let topic: String
  let catalog: Catalog
  /// Sees what consumers commit while `catalog` reads the state of the beginning.
  let present: Catalog
  /// The messages that the images came from.
  private(set) var index: StoredIndex
  private var sample: ImageSample
  let stop: StopFlag
  let patience: Duration
  private let report: (Finding) -> Void
  package private(set) var result = Result()
  /// Called before the suspects are looked at again.
  var beforeSecondLook: () throws -> Void = {}
  /// Differences that may be an image that is being stored.
  private var suspects: [Suspect] = []
  /// Hashes of the names that have a row and no entry. Their files need not be reported too.
  private var withoutEntry: Set<Int> = []
  private var hashed = 0
  private var rowNames: RowNames

  /// More differences than these are not looked at twice: that many images are not stored at one moment.
  var mostSuspects = 10_000
  static let moment = Duration.milliseconds(200)
  /// At most this many files of the right size and another time are read: after an output was copied, that is all.
  var mostHashed = 1_000

  /// The moment of this call is the one that the audit looks at.
  /// - Parameters:
  ///   - topic: the topic whose partitions are told apart.
  ///   - sampleSize: the number of images that `sampledImages` chooses.
  ///   - patience: how long consumers may take to finish what they are storing.
  ///   - stop: checked between two images.
  ///   - report: called with each finding.
  /// - Returns: nil if the catalog is empty.
  /// - Throws: if there is no catalog, or if it is damaged or of another version; `UnseenCommits`.
  package init?(
    _ files: any StoredFiles, topic: String, sampleSize: Int = 0, patience: Duration = .seconds(10),
    stop: StopFlag = StopFlag(), report: @escaping (Finding) -> Void
  ) throws {
    self.files = files
    self.topic = topic
    self.patience = patience
    self.stop = stop
    self.report = report
    sample = ImageSample(size: sampleSize)
    rowNames = RowNames(output: files.path)
    guard let catalog = try Catalog(reading: files.catalogFolder),
      let present = try Catalog(reading: files.catalogFolder)
    else { return nil }
    (self.catalog, self.present) = (catalog, present)
    try catalog.database.checkSight()
    try catalog.database.execute("BEGIN")
    // A transaction begins with its first read.
    let rows = try catalog.prepared("SELECT count(*) FROM stored").first { Int($0.integer(0)) }
    index = StoredIndex(capacity: rows ?? 0)
  }

  /// - Throws: `CatalogError.lost` if an output has a CSV file with rows, and no catalog.
  package static func checkLoss(output: String, csvPath: String) throws {
    guard try FileStatus.of(output)?.kind == .folder, let csv = try FileStatus.of(csvPath), csv.kind == .regular,
      csv.size > CSVLine.header.count, var records = try? CSVRecords(File.open(csvPath, .read)),
      try records.next()?.bytes == CSVLine.header
    else { return }
    throw CatalogError.lost(path: output + "/" + ImageName.reserved + "/" + Catalog.fileName, csv: csvPath)
  }

  /// The identity of the output.
  package var id: String { catalog.id }

  /// Images that were chosen at random: each name with its hash. To be called after `run`.
  package var sampledImages: [(name: String, digest: Digest)] { sample.images }

  /// - Throws: `SystemError` if a folder cannot be read; `UnseenCommits` if consumers were started meanwhile, and what was
  ///   read is not to be trusted; `Interruption`.
  package func run() throws {
    let rowFaults = try compareRows()
    index.sort()
    for (fault, name) in rowFaults { found(fault, name) }
    for place in try files.missingRows() { found(.batchMissing, place) }
    try compareFiles()
    try findUnknownFiles()
    try settleSuspects()
    try catalog.database.checkSight()
  }

  private func found(_ fault: Fault, _ name: String, partition: Int32? = nil) {
    result.faults[fault, default: 0] += 1
    report(Finding(fault: fault, name: name, partition: partition ?? self.partition(of: name)))
  }

  private struct Suspect {
    let fault: Fault
    let name: String
    /// The catalog's entry that it was compared with.
    let entry: Catalog.Entry?
    /// Of its row; nil: `index` knows it.
    let partition: Int32?
  }

  private func suspect(
    _ fault: Fault, _ name: String, _ entry: Catalog.Entry? = nil, partition: Int32? = nil
  ) throws {
    let suspect = Suspect(fault: fault, name: name, entry: entry, partition: partition)
    // Consumers may have stored many images since the beginning. Few of them are in progress.
    guard try isStillFaulty(suspect) else { return }
    if suspects.count < mostSuspects {
      suspects.append(suspect)
    } else {
      found(fault, name, partition: partition)
    }
  }

  /// Whether the image is missing in the catalog and has a row, which is reported.
  package func isWithoutEntry(_ name: String) -> Bool { withoutEntry.contains(StoredIndex.hash(name)) }

  private func countStored(_ name: String, _ state: FileState) {
    if case .unproven = state { result.unproven += 1 } else { result.sound += 1 }
    result.storedByPartition[partition(of: name), default: 0] += 1
  }

  private func goOn() throws { try stop.check("not everything was compared") }

  // MARK: Rows

  private func compareRows() throws -> [(Fault, name: String)] {
    var found: [(Fault, name: String)] = []
    try findFormerPath()
    let (csvPath, record) = (files.csvPath, try files.csvPath.flatMap { try catalog.csvRecord($0) })
    let faults: [CSVAudit.Fault: Fault] = [
      .missing: .rowMissing, .doubled: .rowDoubled, .altered: .rowAltered, .unknown: .rowUnknown,
    ]
    var audit = try csvPath.map { csvPath in
      CSVAudit(
        // Consumers rewrite a file that was deleted.
        try FileStatus.of(csvPath).map { _ in try File.open(csvPath, .read) }, length: record?.length ?? .max,
        isKnown: { [unowned self] fields in
          guard let row = CSVLine.row(fields), let name = try name(of: row) else { return false }
          return try catalog.entry(name)?.digest == row.digest
        },
        isBeingStored: { [unowned self] in try isBeingStored($0) },
        report: { [unowned self] fault, path in
          found.append((faults[fault]!, try rowNames.name(of: path) { try catalog.entry($0) != nil } ?? path))
        })
    }
    try audit?.begin()
    try catalog.rows(after: 0) { id, row in
      try goOn()
      if let name = try name(of: row) {
        // If `repair` found no row, nobody knows which message brought the image.
        if !row.topic.isEmpty {
          index.add(name, row.topic == topic ? .init(partition: row.partition, offset: row.offset) : .elsewhere)
        }
        if try catalog.entry(name) == nil, withoutEntry.insert(StoredIndex.hash(name)).inserted {
          try suspect(.entryMissing, name, partition: row.topic == topic ? row.partition : -1)
        }
      }
      if audit == nil {
        result.rows += 1
      } else if id <= record?.lastStored ?? .max, audit?.isHopeless == false {
        try audit?.take(row)
      }
    }
    try audit?.end()
    if let audit {
      result.rows = audit.matched
      result.skipsRows = audit.isHopeless
    }
    return found
  }

  /// Whether a row may be of a batch that a consumer is storing, or was storing when it was killed: the position is not
  /// behind its message.
  private func isBeingStored(_ row: StoredRow) throws -> Bool {
    guard row.offset >= 0, try name(of: row) != nil else { return false }
    let next =
      try catalog.prepared(
        """
        SELECT min(next) FROM positions JOIN topics ON topics.id = positions.topic
          AND topics.generation = positions.generation WHERE topics.topic = ? AND partition = ?
        """
      ).first(.text(row.topic), .integer(Int64(row.partition))) { $0.isNull(0) ? nil : $0.integer(0) } ?? nil
    return next.map { row.offset >= $0 } ?? true
  }

  /// Finds out which path the output had when its newest rows were written.
  private func findFormerPath() throws {
    try catalog.prepared("SELECT file_path, digest FROM stored ORDER BY id DESC LIMIT 1000").each { row in
      let digest = try row.digest(1)
      return try rowNames.name(of: row.text(0)) { try catalog.entry($0)?.digest == digest } == nil
    }
  }

  /// The name of a row's image; nil if the row is of an output with another path, and the image is not stored now.
  private func name(of row: StoredRow) throws -> String? {
    try rowNames.name(of: row.filePath) { try catalog.entry($0)?.digest == row.digest }
  }

  // MARK: Files

  private func compareFiles() throws {
    var last: String?
    while true {
      let entries = try catalog.entries(after: last, atMost: 1_000)
      guard let end = entries.last else { return }
      last = end.name
      for (name, entry) in entries {
        try goOn()
        result.images += 1
        sample.add(name, entry.digest)
        let state = try state(of: name, entry)
        if case .faulty(let fault) = state { try suspect(fault, name, entry) } else { countStored(name, state) }
      }
    }
  }

  private enum FileState {
    case sound, unproven
    case faulty(Fault)
  }

  private func state(of name: String, _ entry: Catalog.Entry, now: Bool = false) throws -> FileState {
    guard let look = try files.look(at: name, entry, now: now) else { return .faulty(.fileMissing) }
    guard look.size == entry.size else { return .faulty(.fileAltered) }
    if let isUnchanged = look.isUnchanged { return isUnchanged ? .sound : .faulty(.fileAltered) }
    guard hashed < mostHashed else { return .unproven }
    hashed += 1
    return try files.digest(of: name) == entry.digest ? .sound : .faulty(.fileAltered)
  }

  private func findUnknownFiles() throws {
    try files.eachName { name in
      try goOn()
      guard try catalog.entry(name) == nil, !isWithoutEntry(name), !FileFilter.isOfSystem(name) else { return }
      try suspect(.fileUnknown, name)
    }
  }

  // MARK: What is being stored

  /// Looks at the suspects again, until they agree with the catalog or the consumers have had time to finish.
  private func settleSuspects() throws {
    let deadline = Deadline(in: patience)
    while !suspects.isEmpty, try hasConsumers(), !deadline.hasPassed {
      try goOn()
      try beforeSecondLook()
      suspects = try suspects.filter { try isStillFaulty($0) }
      if !suspects.isEmpty { _ = stop.wait(for: Self.moment) }
    }
    for suspect in suspects { found(suspect.fault, suspect.name, partition: suspect.partition) }
  }

  private func isStillFaulty(_ suspect: Suspect) throws -> Bool {
    try files.refresh()
    let entry = try present.entry(suspect.name)
    if suspect.fault == .entryMissing { return entry == nil }
    guard let entry else { return try files.look(at: suspect.name, nil, now: true) != nil }
    if entry == suspect.entry { return true }
    let state = try state(of: suspect.name, entry, now: true)
    if case .faulty = state { return true }
    // An unknown file is an image that the catalog did not have at the beginning.
    if suspect.fault != .fileUnknown { countStored(suspect.name, state) }
    return false
  }
}
