internal import CSQLite
import Glibc
package import Platform

/// An error of SQLite: its code and message, the database, the statement, and how to fix it.
package struct SQLiteError: NamedError, ClassifiedError, CustomStringConvertible, Sendable {
  /// The extended result code (sqlite.org/rescode.html).
  let code: CInt
  /// The message of SQLite.
  package let message: String
  /// The path of the database.
  let path: String
  /// The statement; nil if there is none.
  let sql: String?
  /// The underlying `errno`; 0 if there is none.
  let systemCode: CInt

  init(code: CInt, message: String, path: String, sql: String?, systemCode: CInt = 0) {
    self.code = code
    self.systemCode = systemCode
    self.message = message
    self.path = path
    self.sql = sql
  }

  /// One to three sentences: `cannot use images.db: database is locked (SQLite 5). Another process ...`.
  package var description: String {
    let statement = sql.map { ", in: \($0)" } ?? ""
    return summary + statement + (cure.map { ". \($0)" } ?? "")
  }

  /// The description without the statement and the fix.
  package var summary: String { "cannot use the database \(path): \(message) (SQLite \(code))" }

  /// The name of the primary result code: "SQLITE_FULL".
  package var name: String {
    switch primaryCode {
    case SQLITE_BUSY: "SQLITE_BUSY"
    case SQLITE_CANTOPEN: "SQLITE_CANTOPEN"
    case SQLITE_CORRUPT: "SQLITE_CORRUPT"
    case SQLITE_FULL: "SQLITE_FULL"
    case SQLITE_IOERR: "SQLITE_IOERR"
    case SQLITE_LOCKED: "SQLITE_LOCKED"
    case SQLITE_NOMEM: "SQLITE_NOMEM"
    case SQLITE_NOTADB: "SQLITE_NOTADB"
    case SQLITE_PERM: "SQLITE_PERM"
    case SQLITE_READONLY: "SQLITE_READONLY"
    default: "SQLITE_\(primaryCode)"
    }
  }

  /// True if another connection holds a lock. Covers every extension of SQLITE_BUSY (BUSY_SNAPSHOT, BUSY_RECOVERY) and
  /// of SQLITE_LOCKED.
  package var isBusy: Bool { [SQLITE_BUSY, SQLITE_LOCKED].contains(primaryCode) }

  package var disposition: Disposition {
    switch primaryCode {
    case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL, SQLITE_IOERR, SQLITE_NOMEM: .transient
    case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM: .needsPerson
    // The file is not what SQLite wrote.
    case SQLITE_CORRUPT, SQLITE_NOTADB: .final
    default: .badInput
    }
  }

  // The low byte of an extended code is the primary code.
  private var primaryCode: CInt { code & 0xFF }

  /// The extended code for a file system that cannot share memory between processes (SQLITE_IOERR_SHMMAP).
  static let noSharedMemory = SQLITE_IOERR | 21 << 8

  /// How to fix it, as a sentence without its full stop; nil if that depends on the situation.
  package var cure: String? {
    // SQLite reports every file that it cannot open in the same way.
    if [EMFILE, ENFILE].contains(systemCode) { return "Raise the limit of open files (ulimit -n, LimitNOFILE=)" }
    if code == Self.noSharedMemory { return "Move it to a local file system, or let only one process open it" }
    return switch primaryCode {
    case SQLITE_BUSY, SQLITE_LOCKED: "Another process uses it: let it finish, or stop it"
    case SQLITE_FULL: "Free space on that file system (df -h)"
    case SQLITE_READONLY, SQLITE_PERM: "Give this user write access to the file and to its folder"
    case SQLITE_CANTOPEN: "Create its folder, and give this user write access to it"
    case SQLITE_IOERR: "The disk or its connection fails: look at the kernel's log (dmesg)"
    case SQLITE_CORRUPT, SQLITE_NOTADB: "Move the file and its -wal aside, and restore a copy or start with a new one"
    case SQLITE_NOMEM: "Give the host or the container more memory"
    default: nil
    }
  }
}
