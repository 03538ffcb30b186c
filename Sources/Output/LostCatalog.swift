import Platform
import Telemetry
import Wire

/// The check for a consumer that finds no catalog, or an empty one, in a folder that is not empty.
enum LostCatalog {
  /// - Throws: `CatalogError.lost` if it is this output's own catalog that is missing: a new one would move the CSV
  ///   file aside, and would get rows only for what the topic still has.
  static func check(_ catalog: Catalog, _ output: OutputFolder, _ csv: CSVFile, log: Log) throws {
    guard try catalog.isNew, let image = try firstImage(output, csv) else { return }
    // Without images nothing can be lost: everything is stored again.
    if try csv.hasOwnRows { throw CatalogError.lost(path: catalog.path, csv: csv.path) }
    log.warning(
      event: "output_has_unknown_files",
      "the output has files that this pipeline did not store; an image that arrives with the same name replaces the file",
      ["output": .string(output.path), "for_example": .string(image), "fix": "image-pipeline repair"])
  }

  private static func firstImage(_ output: OutputFolder, _ csv: CSVFile) throws -> String? {
    let walker = try FolderWalker(root: output.path) { $0 != ImageName.reserved }
    while let entry = walker.next() {
      guard let entry = try? entry.get(), entry.kind == .regular, let name = entry.string,
        !CSVFile.isItsOwn(name, at: csv.path, output: output.path)
      else { continue }
      return name
    }
    return nil
  }
}
