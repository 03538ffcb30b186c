import Platform
import SQLite
import Telemetry

/// The CSV file, a projection of the catalog. It also belongs to the user: content that is not ours is moved aside,
/// never cut off.
///
/// Each call of `synchronize` runs within the catalog's transaction, so one consumer writes at a time.
final class CSVFile {
  private let place: CSVPlace
  /// The beginning of each of our rows.
  private let outputPath: String
  private let catalog: Catalog
  private let log: Log

  var path: String { place.path }

  /// - Parameters:
  ///   - slot: the consumer's slot at the output; nil if it has no other consumers.
  ///   - health: receives a report if the file was deleted or replaced, so that nobody sees what is written.
  init(
    path: String, outputPath: String, catalog: Catalog, slot: ConsumerSlot? = nil, log: Log, health: Health = Health()
  ) {
    place = CSVPlace(path: path, catalogID: catalog.id, slot: slot, log: log, health: health)
    self.outputPath = outputPath
    self.catalog = catalog
    self.log = log
  }

  private typealias Record = Catalog.CSVRecord

  /// Brings the file up to date with the catalog: appends the missing rows, and syncs.
  ///
  /// Rows that an interrupted batch appended are cut off first. A file that is shorter than recorded, or different, is
  /// moved aside and rewritten.
  func synchronize(_ heart: Heartbeat? = nil) throws {
    let known = try catalog.csvRecord(path)
    var file = try place.open()
    var record = known ?? Record()
    switch try state(of: file, record) {
    case .asRecorded: break
    case .interrupted: try file.truncate(to: record.length)
    case .gone:
      log.warning(event: "csv_rewritten", "the CSV file was gone or empty; it is rewritten", ["file": .string(path)])
      record = Record()
    case .foreign(let reason):
      let aside = try CSVAside(path: path, fallback: catalog.folder).move(file, heart)
      FaultPoint.csvMovedAside.reached()
      log.warning(
        event: "csv_set_aside", "the CSV file was changed by something else; it is moved aside and rewritten",
        ["file": .string(path), "reason": .string(reason), "aside": .string(aside)])
      file = try place.open()
      record = Record()
    }
    let isNew = record.length == 0
    do {
      let before = record.lastStored
      try writeRows(to: file, &record, heart)
      guard record.lastStored != before || record.length != known?.length else { return }
      FaultPoint.rowsWritten.reached()
      try file.sync()
      FaultPoint.rowsSynced.reached()
      try catalog.set(record, csvPath: path)
    } catch {
      // Otherwise the next attempt takes the beginning of a new file for somebody else's and moves it aside, each time
      // one more.
      if isNew { try? file.truncate(to: 0) }
      throw error
    }
  }

  private func writeRows(to file: File, _ record: inout Record, _ heart: Heartbeat?) throws {
    if record.length == 0 { try write(CSVLine.header, to: file, &record) }
    var pending: [UInt8] = []
    try catalog.rows(after: record.lastStored) { id, row in
      let line = CSVLine.bytes(row)
      pending += line
      record.lastStored = id
      record.lastLine = line
      if pending.count > 1 << 20 {
        try append(pending, to: file, &record)
        pending = []
        try heart?.beat()
      }
    }
    try append(pending, to: file, &record)
  }

  private func write(_ line: [UInt8], to file: File, _ record: inout Record) throws {
    try append(line, to: file, &record)
    record.lastLine = line
  }

  private func append(_ bytes: [UInt8], to file: File, _ record: inout Record) throws {
    try bytes.withUnsafeBytes { try file.write($0, at: record.length) }
    record.length += bytes.count
  }

  // MARK: For repair

  /// True if every byte of the file is as the catalog says.
  func isWhole() throws -> Bool {
    guard let file = try? File.open(path, .read) else { return false }
    var hash = SHA256()
    CSVLine.header.withUnsafeBytes { hash.update($0) }
    try catalog.rows(after: 0) { _, row in CSVLine.bytes(row).withUnsafeBytes { hash.update($0) } }
    return try file.digest() == hash.finish()
  }

  /// Records the file as written by this output, with all rows of the catalog. To be called only if `isWhole`.
  func adopt() throws {
    let length = try place.open().status().size
    var record = Record(length: length, lastStored: 0, lastLine: CSVLine.header)
    try catalog.rows(after: 0) { id, row in
      record.lastStored = id
      record.lastLine = CSVLine.bytes(row)
    }
    try catalog.set(record, csvPath: path)
  }

  /// Forgets the file, so that the next `synchronize` treats it as somebody else's and moves it aside.
  func disown() throws {
    try catalog.prepared("DELETE FROM csv_files WHERE path = ?").run(.text(path))
  }

  /// True if there is a row of this output after the first line, within the first 64 KiB.
  var hasOwnRows: Bool {
    get throws {
      guard let status = try FileStatus.of(path), status.kind == .regular else { return false }
      var isOwn = false
      var isHeader = true
      try bytes(of: File.open(path, .read), 0..<min(status.size, 64 << 10)).withUnsafeBytes { start in
        var parser = CSVParser()
        parser.read(start) { fields in
          isOwn = isOwn || !isHeader && CSVLine.row(fields) != nil && fields[0].hasPrefix(outputPath + "/")
          isHeader = false
        }
      }
      return isOwn
    }
  }

  /// True for the CSV file itself and for the files that were moved aside, if they are in the output folder.
  /// - Parameters:
  ///   - name: relative to the output folder.
  ///   - path: the CSV file's path.
  static func isItsOwn(_ name: String, at path: String, output: String) -> Bool {
    let leaf = path.lastComponent
    guard name.lastComponent == leaf || name.lastComponent.hasPrefix(leaf + ".aside-") else { return false }
    let folder = path.dropLast(leaf.count)
    let parent = output + "/" + name.dropLast(name.lastComponent.count)
    guard let mine = try? FileStatus.of(folder.isEmpty ? "." : String(folder)), let its = try? FileStatus.of(parent)
    else {
      return false
    }
    return mine.isSameFile(as: its)
  }

  // MARK: State of the file

  private enum State {
    case asRecorded
    /// Longer than recorded, by rows of ours that were never committed.
    case interrupted
    /// Deleted or emptied: there is nothing to save.
    case gone
    case foreign(String)
  }

  private func state(of file: File, _ record: Record) throws -> State {
    let size = try file.status().size
    if record.length == 0 {
      // A crash during the very first batch may have left the header, or a part of it.
      if size == 0 { return .asRecorded }
      return CSVLine.header.starts(with: try bytes(of: file, 0..<min(size, CSVLine.header.count + 1)))
        ? .interrupted : .foreign("it is not in this output's catalog")
    }
    if size == 0 { return .gone }
    guard size >= record.length else { return .foreign("it is shorter than recorded") }
    guard try bytes(of: file, 0..<CSVLine.header.count) == CSVLine.header else { return .foreign("another header") }
    guard try bytes(of: file, record.length - record.lastLine.count..<record.length) == record.lastLine else {
      return .foreign("another last row")
    }
    if size == record.length { return .asRecorded }
    return try isOurs(file, record.length..<min(size, record.length + Self.longestTail))
      ? .interrupted : .foreign("rows that are not this pipeline's were added")
  }

  /// The most bytes of a tail that are checked.
  private static let longestTail = 4 << 20

  private func bytes(of file: File, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: range.lowerBound) }
    return Array(bytes.prefix(count))
  }

  /// True if each complete row has our columns, with a hash and a path in this output. The last row may be cut short.
  private func isOurs(_ file: File, _ range: Range<Int>) throws -> Bool {
    var parser = CSVParser()
    var ours = true
    try bytes(of: file, range).withUnsafeBytes { tail in
      parser.read(tail) { fields in
        ours =
          ours && fields.count == CSVLine.columns.count && Digest(hex: fields[2]) != nil
          && fields[0].hasPrefix(outputPath)
      }
      let start = parser.unfinishedStart
      ours = ours && (start.hasPrefix(outputPath) || outputPath.hasPrefix(start))
    }
    return ours
  }
}
