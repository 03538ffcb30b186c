package import Platform
import SQLite

/// Why a catalog, or its CSV file, cannot be used, and what to do about it.
package enum CatalogError: NamedError, ClassifiedError, CustomStringConvertible {
  case foreignVersion(Int, path: String)
  /// The content is not what was written.
  case damaged(path: String, reason: String)
  /// The file was removed or replaced while it was in use.
  case gone(path: String)
  /// The catalog is missing or empty, but the output has images, and the CSV file has rows of this output.
  case lost(path: String, csv: String)
  /// Another consumer of the output finds a different CSV file at the same path.
  case csvDivided(path: String, slot: Int)

  package var disposition: Disposition { .final }

  package var name: String {
    switch self {
    case .foreignVersion: "CatalogError.foreignVersion"
    case .damaged: "CatalogError.damaged"
    case .gone: "CatalogError.gone"
    case .lost: "CatalogError.lost"
    case .csvDivided: "CatalogError.csvDivided"
    }
  }

  package var description: String {
    switch self {
    case .foreignVersion(let version, let path):
      "the catalog in \(path) has version \(version), and this program supports \(CatalogSchema.version): use the program that "
        + "wrote it, or another PROCESSED_IMAGES_DIR"
    case .damaged(let path, let reason):
      "the catalog \(path) is damaged: \(reason). Nothing is stored without it. To rebuild it from the CSV file and the images, "
        + "run image-pipeline repair with the same PROCESSED_IMAGES_DIR and CSV_PATH"
    case .gone(let path):
      "the catalog \(path) was removed or replaced while it was in use. Start again. If the output still exists, first run "
        + "image-pipeline repair with the same PROCESSED_IMAGES_DIR and CSV_PATH"
    case .lost(let path, let csv):
      "the catalog \(path) is missing or empty, but there are images, and \(csv) has rows of this output. To rebuild it "
        + "from them, run image-pipeline repair with the same PROCESSED_IMAGES_DIR and CSV_PATH. To start with a new output, move "
        + "\(csv) away"
    case .csvDivided(let path, let slot):
      "CSV_PATH \(path) is another file here than for the consumer in slot \(slot) of the same output: they have different working "
        + "directories, or their containers have different folders there. Give all consumers of an output the same CSV file: an "
        + "absolute CSV_PATH in a shared folder. If the file was replaced under a running container, restart that container"
    }
  }

  /// The catalog's fault that a final error reports, with its fix; nil if the error is about something else.
  package init?(behind error: any Error, path: String) {
    switch error {
    case let error as CatalogError: self = error
    case let error as UnreadableCatalog: self = .damaged(path: path, reason: error.reason)
    case let error as SQLiteError where error.disposition == .final: self = .damaged(path: path, reason: error.message)
    default: return nil
    }
  }
}

/// SQLite finds no fault in the catalog, but the content is not valid.
struct UnreadableCatalog: ClassifiedError, CustomStringConvertible {
  let reason: String
  let disposition = Disposition.final
  init(_ reason: String) { self.reason = reason }
  var description: String { "the catalog cannot be read: \(reason)" }
}

extension Row {
  func digest(_ column: Int32) throws -> Digest {
    guard let digest = Digest(bytes: blob(column)) else {
      throw UnreadableCatalog("a hash in it has \(blob(column).count) bytes instead of \(Digest.byteCount)")
    }
    return digest
  }
}
