import Platform
import Telemetry
import Wire

extension Repair {
  /// Fills a new catalog from the CSV file's rows and from the images.
  func rebuild(_ catalog: Catalog) throws {
    let csv = CSVFile(path: csvPath, outputPath: output.path, catalog: catalog, log: log)
    try catalog.transaction {
      let rows = try takeRows(catalog)
      try compareImages(catalog)
      let images = try logUnknownImages(catalog, csv)
      repaired(
        "catalog_rebuilt",
        "the catalog was rebuilt: \(Quantity.count(rows, "row")) from \(csvPath), and "
          + "\(Quantity.count(images, "image")) without a row",
        [("rows", .of(rows)), ("images_without_row", .of(images))])
    }
  }

  private func takeRows(_ catalog: Catalog) throws -> Int {
    guard try FileStatus.of(csvPath)?.kind == .regular else { return 0 }
    var taken = 0
    var strange = 0
    let prefix = output.filePathStart.utf8
    try CSVParser.read(try File.open(csvPath, .read)) { fields in
      try goOn()
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
      found(
        "lines_skipped", "\(Quantity.count(strange, "line")) of \(csvPath) are no rows of \(output.path)",
        [("lines", .of(strange))])
    }
    return taken
  }
}
