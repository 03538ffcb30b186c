package import Platform
import SQLite
package import Telemetry
package import Wire

/// Brings an output back into agreement whose catalog, CSV file or images were lost or damaged, from what is left of them:
/// a catalog that is sound is the truth; where there is none, the CSV file's rows are, and then the images themselves.
///
/// Works with no consumer running. Interrupted at any instant, it is simply run again.
package final class Repair {
  let output: OutputFolder
  let csvPath: String
  let filter: FileFilter
  let log: Log
  private let stop: StopFlag
  private let report: (Finding) -> Void
  private let lock: OutputLock
  package internal(set) var result = Result()

  package enum Finding: Sendable {
    /// What was wrong and is not any more, or has been found.
    case done(String)
    /// An image that has a row and cannot be had from here.
    case remains(image: String, reason: String)
  }

  package struct Result: Sendable {
    /// Images that stand as the catalog and the CSV file say.
    package var sound = 0
    /// Images that are missing or altered.
    package var remaining = 0
    /// Things that were put right.
    package var repairs = 0
    /// The positions were lost: the next consumer reads the topic from its beginning.
    package var isCatalogNew = false
  }

  /// - Parameters:
  ///   - filter: says which files are images, where no row does.
  ///   - stop: looked at between two images.
  ///   - report: called with each finding as it comes.
  /// - Throws: where there is no output, or a consumer uses it.
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
    self.stop = stop
    self.report = report
  }

  package func run() throws {
    let catalog: Catalog
    switch try condition() {
    case .sound(let found):
      catalog = found
      try catalog.transaction { try compareImages(catalog) }
    case .lost(let reason):
      if let reason {
        repaired("the catalog was damaged (\(reason)): \(try setAside())")
      }
      catalog = try Catalog(in: output.reserved, exclusive: output.fileSystem.isShared)
      result.isCatalogNew = true
      try rebuild(catalog)
      FaultPoint.catalogRebuilt.reached()
    }
    try repairCSV(catalog)
    try removeLeftovers(catalog)
  }

  func repaired(_ text: String) {
    result.repairs += 1
    report(.done(text))
  }

  /// What was begun is undone, with its transaction, or done anew by the next run.
  func goOn() throws { try stop.check("run it again") }

  func found(_ text: String) { report(.done(text)) }

  func remains(_ name: String, _ reason: String) {
    result.remaining += 1
    report(.remains(image: name, reason: reason))
  }

  // MARK: Catalog

  private enum Condition {
    case sound(Catalog)
    /// Not there, or empty; damaged where there is a reason.
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
      if case .damaged(_, let reason)? = CatalogError.final(error, path: path) { return .lost(reason: reason) }
      // A table that is not there, or has other columns. What the host is at fault for is not the catalog's.
      if let error = error as? SQLiteError, !error.isBusy, !error.isEnvironmental {
        return .lost(reason: error.message)
      }
      throw error
    }
  }

  /// Renames the catalog and what SQLite keeps beside it, so that its tools find them together.
  private func setAside() throws -> String {
    let aside = "\(Catalog.fileName).aside-\(Clock.wallMilliseconds)"
    // The database first: SQLite drops a log that it finds without one.
    for suffix in ["", "-wal", "-shm"] where try output.reserved.status(Catalog.fileName + suffix) != nil {
      try output.reserved.rename(Catalog.fileName + suffix, to: output.reserved, as: aside + suffix)
      FaultPoint.catalogSetAside.reached()
    }
    try output.reserved.sync()
    return "moved aside to \(output.reserved.path)/\(aside)"
  }

  // MARK: CSV file

  /// Unlike a consumer, which looks at its beginning and end, this looks at every byte. Nothing is cut: rows that the
  /// catalog does not have are moved aside with the file.
  private func repairCSV(_ catalog: Catalog) throws {
    let csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, log: log)
    try catalog.transaction {
      if try csv.isWhole() { return try csv.adopt() }
      try csv.disown()
      try csv.synchronize()
      repaired("\(csvPath) was missing or not as the catalog has it: written anew")
    }
  }

  // MARK: Leftovers

  /// Temporary files, and parts of images that nobody waits for.
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
    let files = Set(try output.segments.names())
    for assembly in waiting where try !files.contains(assembly.fileName) && !isPlaced(assembly) {
      try catalog.transaction { try catalog.remove(assembly) }
      remains(assembly.name, "segments of it had come, and their file is gone")
    }
    let known = Set(waiting.map(\.fileName))
    try remove(from: output.segments) { !known.contains($0) }
    if try output.reserved.status("dead-letters") != nil {
      try remove(from: output.reserved.folder("dead-letters", creating: false)) { $0.hasSuffix(".part") }
    }
    if removed > 0 { repaired("\(removed) temporary files, which nobody needs: removed") }
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
  /// - Throws: where something in it is not what a catalog holds.
  fileprivate func readEverything() throws {
    try rows(after: 0) { _, _ in }
    var last: String?
    while let end = try entries(after: last, atMost: 1_000).last { last = end.name }
    for assembly in try allAssemblies() { _ = try parts(of: assembly) }
  }
}
