import Platform
import SQLite

enum LedgerError: NamedError, ClassifiedError, CustomStringConvertible {
  case foreignVersion(Int, path: String)
  case damaged(path: String, reason: String)
  /// The ledger to be read does not exist yet.
  case missing(path: String)
  /// An older version of the program wrote it. A command that only reads does not upgrade it.
  case outdated(path: String)
  /// The file existed, and is no longer at its path.
  case gone(path: String)

  /// `damaged` if SQLite reports corruption; any other error stays as it is.
  static func of(_ error: any Error, path: String) -> any Error {
    guard let error = error as? SQLiteError, error.disposition == .final else { return error }
    return LedgerError.damaged(path: path, reason: error.message)
  }

  var disposition: Disposition { .final }

  var name: String {
    switch self {
    case .foreignVersion: "LedgerError.foreignVersion"
    case .damaged: "LedgerError.damaged"
    case .gone: "LedgerError.gone"
    case .missing: "LedgerError.missing"
    case .outdated: "LedgerError.outdated"
    }
  }

  var description: String {
    switch self {
    case .foreignVersion(let version, let path):
      "the ledger \(path) has version \(version), which this program does not support: use the program that wrote it, "
        + "or another STATE_DIR"
    case .damaged(let path, let reason):
      "the ledger \(path) is damaged: \(reason). Move it away, with its -wal and -shm. Then everything is sent again, "
        + "and consumers store nothing twice"
    case .missing(let path):
      "there is no ledger \(path): set STATE_DIR to the producer's, or start the producer, which creates it"
    case .outdated(let path): "the ledger \(path) is from an older version: start the producer, which updates it"
    case .gone(let path):
      "the ledger \(path) was removed or replaced while it was in use. Start again. Unless you put it back first, "
        + "everything is sent again; consumers store nothing twice"
    }
  }
}
