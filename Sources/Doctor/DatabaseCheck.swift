import Output
import Platform
import Producer
import SQLite
import Telemetry
import Wire

/// Checks a ledger or a catalog: whether it opens, and whether this program knows its version. It neither waits nor
/// locks.
struct DatabaseCheck {
  /// "ledger"
  var kind: String
  var path: String
  /// The newest version that this program knows.
  var version: Int
  /// The table whose rows are counted, and the noun for a row.
  var table: String
  var noun: String
  /// The variable that chooses another folder: `STATE_DIR`.
  var variable: String
  var cureOfDamage: String

  static func ledger(in folder: String) -> DatabaseCheck {
    DatabaseCheck(
      kind: "ledger", path: "\(folder)/\(Ledger.fileName)", version: LedgerSchema.version, table: "files", noun: "file",
      variable: "STATE_DIR",
      cureOfDamage: "move it away, with its -wal and -shm: everything is sent again, and consumers store nothing twice")
  }

  static func catalog(in output: String) -> DatabaseCheck {
    DatabaseCheck(
      kind: "catalog", path: "\(output)/\(ImageName.reserved)/\(Catalog.fileName)", version: CatalogSchema.version,
      table: "images", noun: "image", variable: "PROCESSED_IMAGES_DIR",
      cureOfDamage: "image-pipeline repair, with the consumers stopped")
  }

  /// The identity of an output; nil if it cannot be read, or if there is none.
  static func catalogID(in output: String) -> String? {
    let path = catalog(in: output).path
    guard (try? FileStatus.of(path)) ?? nil != nil, let database = try? Database(reading: path) else { return nil }
    defer { database.close() }
    return (try? database.prepare("SELECT value FROM facts WHERE name = 'catalog'").first { $0.text(0) }) ?? nil
  }

  /// Rows beyond this number are not counted.
  private static let most = 1_000_000

  /// The finding for the database, which may not exist yet.
  func finding() -> Finding {
    do {
      guard try FileStatus.of(path) != nil else {
        return .ok("database", "there is no \(kind) yet: it will be created")
      }
      if let missing = AccessRights.missing([.read, .write], on: path) { throw missing }
      let database = try Database(reading: path)
      defer { database.close() }
      let found = try database.userVersion()
      guard found <= version else {
        return .problem(
          "database_version",
          "the \(kind) \(path) has version \(found), and this program supports \(version)",
          cure: "use the program that wrote it, or set \(variable) to another folder")
      }
      // Version 0: the first transaction is still in the log next to the file.
      guard found > 0 else { return .ok("database", "the \(kind) has just been created") }
      let sql = "SELECT count(*) FROM (SELECT 1 FROM \(table) LIMIT \(Self.most))"
      let count = try database.prepare(sql).first { Int($0.integer(0)) } ?? 0
      return .ok(
        "database",
        "the \(kind) opens: version \(found), \(Quantity.count(count, noun))\(count == Self.most ? " at least" : "")")
    } catch let error as SQLiteError where error.isBusy {
      return .ok("database", "the \(kind) is locked by a process that uses it alone, as on a network file system")
    } catch let error as SQLiteError where error.disposition == .final {
      return .problem("database_damaged", "the \(kind) \(path) is damaged: \(error.message)", cure: cureOfDamage)
    } catch {
      return .problem(
        "database", error, before: "the \(kind)", cure: "give this user access to it, to its -wal and to its -shm")
    }
  }
}
