package import Platform
import SQLite
package import Telemetry
package import Wire

/// Restores an output whose catalog, CSV file or images were lost or damaged, from what is left of them. A sound
/// catalog is authoritative. If there is none, the CSV file's rows are used, and then the images themselves.
///
/// No consumer may run meanwhile. It can be interrupted at any instant and is then simply run again.
package final class Repair {
  private let output: OutputFolder
  private let csvPath: String
  private let filter: FileFilter
  private let log: Log
  private let report: RepairReport
  private let lock: OutputLock
  package var result: Result { report.result }

  package struct Finding: Sendable {
    /// What was found, in snake case. It does not change with the wording.
    package let kind: String
    /// An image that has a row and cannot be restored from here; nil: a problem that was fixed, or something that was
    /// found.
    package var image: String?
    package let text: String
    /// Counts and paths.
    var details: [(String, LogValue)] = []

    /// For a JSON object.
    package var fields: [(String, LogValue)] {
      [("finding", .string(kind))] + (image.map { [("name", .string($0))] } ?? []) + details + [("text", .string(text))]
    }
  }

  package struct Result: Sendable {
    /// Images that are as the catalog and the CSV file say.
    package var sound = 0
    /// Images that are missing or altered.
    package var remaining = 0
    /// Problems that were fixed.
    package var repairs = 0
    /// The positions were lost: the next consumer reads the topic from its beginning.
    package var isCatalogNew = false
  }

  /// - Parameters:
  ///   - filter: decides which files without a row are images.
  ///   - stop: checked between two images.
  ///   - report: called with each finding as soon as it is found.
  /// - Throws: if there is no output, or if a consumer or another repair uses it.
  package init(
    output path: String, csvPath: String, filter: FileFilter, log: Log, stop: StopFlag = StopFlag(),
    report: @escaping (Finding) -> Void
  ) throws {
    guard try FileStatus.of(path)?.kind == .folder else { throw NoOutput(path: path) }
    output = try OutputFolder(path: path, csvPath: csvPath)
    lock = try OutputLock.takeAlone(in: output.reserved)
    self.csvPath = csvPath
    self.filter = filter
    self.log = log
    self.report = RepairReport(stop: stop, report: report)
  }

  package func run() throws {
    let catalog: Catalog
    switch try condition() {
    case .sound(let found):
      catalog = found
      try catalog.transaction { try catalogRepair(catalog).compareImages() }
    case .lost(let reason):
      if let reason {
        let aside = try setAside()
        report.repaired(
          "catalog_damaged", "the catalog was damaged (\(reason)): moved aside to \(aside)",
          [("moved_to", .string(aside))])
      }
      catalog = try Catalog(in: output.reserved, id: formerID(), exclusive: output.fileSystem.isShared)
      report.noteNewCatalog()
      try catalogRepair(catalog).rebuild()
      FaultPoint.catalogRebuilt.reached()
    }
    try repairCSV(catalog)
    try removeLeftovers(catalog)
  }

  // MARK: Catalog

  private func catalogRepair(_ catalog: Catalog) -> CatalogRepair {
    CatalogRepair(output, csvPath: csvPath, filter, catalog, report)
  }

  private enum Condition {
    case sound(Catalog)
    /// Missing or empty; damaged if there is a reason.
    case lost(reason: String?)
  }

  private func condition() throws -> Condition {
    let path = output.reserved.path + "/" + Catalog.fileName
    guard let status = try FileStatus.of(path), status.size > 0 else { return .lost(reason: nil) }
    do {
      let catalog = try Catalog(in: output.reserved, exclusive: output.fileSystem.isShared)
      if let fault = try catalog.database.integrityFault() { return .lost(reason: fault) }
      try catalog.readEverything()
      return try catalog.isNew ? .lost(reason: nil) : .sound(catalog)
    } catch {
      if case .damaged(_, let reason)? = CatalogError(behind: error, path: path) { return .lost(reason: reason) }
      // A table is missing or has other columns. An error that may pass says nothing about the catalog.
      if let error = error as? SQLiteError, !error.disposition.mayPass { return .lost(reason: error.message) }
      throw error
    }
  }

  /// The beginning of a name.
  private static let aside = Catalog.fileName + ".aside-"

  /// Renames the catalog and SQLite's files next to it, so that SQLite's tools find them together.
  /// - Returns: the catalog's new path.
  private func setAside() throws -> String {
    let aside = "\(Self.aside)\(WallClock.milliseconds)"
    // The database first: SQLite deletes a WAL that it finds without a database.
    for suffix in ["", "-wal", "-shm"] where try output.reserved.status(Catalog.fileName + suffix) != nil {
      try output.reserved.rename(Catalog.fileName + suffix, to: output.reserved, as: aside + suffix)
      FaultPoint.catalogSetAside.reached()
    }
    try output.reserved.sync()
    return "\(output.reserved.path)/\(aside)"
  }

  /// The identity of the newest catalog that was moved aside and can be read. Producers know the output by it.
  private func formerID() throws -> String? {
    try output.reserved.names().filter { $0.hasPrefix(Self.aside) && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.reversed().lazy
      .compactMap { name in try? Catalog.id(in: Database(reading: "\(self.output.reserved.path)/\(name)")) }.first
  }

  // MARK: CSV file

  /// Checks every byte of the CSV file, unlike a consumer, which checks its beginning and its end. Nothing is cut off:
  /// rows that are not in the catalog are moved aside with the file.
  private func repairCSV(_ catalog: Catalog) throws {
    let csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, log: log)
    try catalog.transaction {
      if try csv.isWhole() { return try csv.adopt() }
      try csv.disown()
      try csv.synchronize()
      report.repaired("csv_rewritten", "\(csvPath) was missing or differed from the catalog: it was rewritten")
    }
  }

  // MARK: Leftovers

  /// Removes temporary files, and segment files that no image needs.
  private func removeLeftovers(_ catalog: Catalog) throws {
    var removed = 0
    func remove(from folder: Folder, _ isLeftover: (String) -> Bool) throws {
      for name in try folder.names() where isLeftover(name) {
        try folder.remove(name)
        removed += 1
      }
    }
    for name in try output.reserved.names() where name.hasPrefix("consumer-") {
      let slot = try output.reserved.folder(name, creating: false)
      if try slot.status("incoming") != nil { try remove(from: slot.folder("incoming", creating: false)) { _ in true } }
    }
    let waiting = try catalog.allAssemblies()
    let files = Set(try output.segments.folder.names())
    for assembly in waiting where try !files.contains(assembly.fileName) && !isPlaced(assembly) {
      try catalog.transaction { try catalog.remove(assembly) }
      report.remains("segments_missing", assembly.name, "some of its segments had arrived, and their file is missing")
    }
    let known = Set(waiting.map(\.fileName))
    try remove(from: output.segments.folder) { !known.contains($0) }
    if try output.reserved.status("dead-letters") != nil {
      try remove(from: output.reserved.folder("dead-letters", creating: false)) { $0.hasSuffix(".part") }
    }
    if removed > 0 {
      report.repaired(
        "temporary_files_removed", "removed \(Quantity.count(removed, "unneeded temporary file"))",
        [("files", .of(removed))])
    }
  }

  /// True if an image that is still an assembly in the catalog already has its name. A consumer that is killed between
  /// rename and commit leaves this state, and the next one completes it.
  private func isPlaced(_ assembly: Catalog.Assembly) throws -> Bool {
    guard let name = try? ImageName(assembly.name), try output.status(name)?.size == assembly.length,
      let file = try output.openFile(name)
    else { return false }
    return try file.digest() == assembly.digest
  }

  struct NoOutput: Error, CustomStringConvertible {
    let path: String
    var description: String {
      "there is no folder \(path), so there is nothing to repair: set PROCESSED_IMAGES_DIR, or start a consumer, which "
        + "stores everything that the topic has"
    }
  }
}

extension Catalog {
  /// Reads all of the catalog.
  /// - Throws: if something in it is not what a catalog holds.
  fileprivate func readEverything() throws {
    try rows(after: 0) { _, _ in }
    var last: String?
    while let end = try entries(after: last, atMost: 1_000).last { last = end.name }
    for assembly in try allAssemblies() { _ = try parts(of: assembly) }
  }
}
