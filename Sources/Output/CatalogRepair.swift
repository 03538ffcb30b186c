import Platform
import Telemetry
import Wire

/// Makes a catalog agree with the images, or fills a new one.
struct CatalogRepair {
  private let output: OutputFolder
  private let csvPath: String
  private let filter: FileFilter
  private let catalog: Catalog
  private let report: RepairReport

  /// - Parameter filter: decides which files without a row are images.
  init(_ output: OutputFolder, csvPath: String, _ filter: FileFilter, _ catalog: Catalog, _ report: RepairReport) {
    self.output = output
    self.csvPath = csvPath
    self.filter = filter
    self.catalog = catalog
    self.report = report
  }

  /// Fills a new catalog from the CSV file's rows and from the images.
  func rebuild() throws {
    try catalog.transaction {
      let rows = try takeRows()
      try compareImages()
      let images = try addUnknownImages()
      report.repaired(
        "catalog_rebuilt",
        "the catalog was rebuilt: \(Quantity.count(rows, "row")) from \(csvPath), and "
          + "\(Quantity.count(images, "image")) without a row",
        [("rows", .of(rows)), ("images_without_row", .of(images))])
    }
  }

  /// Compares the bytes of every image in the catalog. If an image is missing or altered, its entry is changed so that
  /// the image is stored when it arrives again, without a second row.
  func compareImages() throws {
    var last: String?
    while true {
      // Read in portions: the entries change on the way, and a data set may have more than memory should hold.
      let entries = try catalog.entries(after: last, atMost: 1_000)
      guard let end = entries.last else { return }
      last = end.name
      for (text, entry) in entries {
        try report.goOn()
        try compare(text, entry)
      }
    }
  }

  private func compare(_ text: String, _ entry: Catalog.Entry) throws {
    guard let name = try? ImageName(text) else {
      return report.remains("name_refused", text, "it has a name that is never stored")
    }
    var correct = Catalog.Entry(digest: entry.digest, size: entry.size, modified: 0, inode: 0)
    if let status = try output.status(name), let file = try output.openFile(name) {
      let digest = try file.digest()
      if digest == entry.digest {
        report.addSound()
        correct = Catalog.Entry(entry.digest, status)
      } else if try catalog.awaits(text, digest) {
        // The image was assembled, but that was not committed. Its last message arrives again and finds it.
        report.addSound()
      } else {
        report.remains("altered", text, "its content differs from what was stored")
      }
    } else {
      report.remains("missing", text, "it is missing")
    }
    if correct != entry { try catalog.set(correct, name: text) }
  }

  private func takeRows() throws -> Int {
    guard try FileStatus.of(csvPath)?.kind == .regular else { return 0 }
    var taken = 0
    var strange = 0
    let prefix = output.filePathStart.utf8
    try CSVParser.read(try File.open(csvPath, .read)) { fields in
      try report.goOn()
      if fields == CSVLine.columns { return }
      // By bytes: to Swift, a slash followed by a combining accent is another character.
      guard let row = CSVLine.row(fields), row.filePath.utf8.starts(with: prefix),
        let text = String(row.filePath.utf8.dropFirst(prefix.count)), let name = try? ImageName(text)
      else {
        strange += 1
        return
      }
      try catalog.append(row)
      try catalog.recall(row, name: name.value)
      taken += 1
    }
    if strange > 0 {
      report.found(
        "lines_skipped", "\(Quantity.count(strange, "line")) of \(csvPath) are no rows of \(output.path)",
        [("lines", .of(strange))])
    }
    return taken
  }

  /// Adds images that have no row. Their rows hold what the file itself shows, and no message.
  /// - Returns: the number of images that were added.
  private func addUnknownImages() throws -> Int {
    var added = 0
    let walker = try FolderWalker(root: output.path) { [filter] path in
      path != ImageName.reserved && filter.enters(path)
    }
    while let entry = walker.next() {
      try report.goOn()
      let entry = try entry.get()
      guard entry.kind == .regular, let text = entry.string, filter.accepts(text),
        !CSVFile.isItsOwn(text, at: csvPath, output: output.path), let name = try? ImageName(text),
        try catalog.entry(text) == nil,
        let status = try output.status(name), let file = try output.openFile(name)
      else { continue }
      let digest = try file.digest()
      let probe = try file.probe()
      try catalog.set(Catalog.Entry(digest, status), name: text)
      try catalog.append(
        StoredRow(
          restored: name, at: output.filePath(name), digest, size: status.size, probe,
          storedTime: status.modified / 1_000_000))
      added += 1
      report.addSound()
    }
    return added
  }
}
