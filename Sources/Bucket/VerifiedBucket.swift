package import Configuration
import Output
package import Platform
import S3
import SQLite
import Wire

/// An output in a bucket as `verify` reads it: every object is read and hashed, many at the same time.
package final class VerifiedBucket: VerifiedOutput {
  let client: S3Client
  let layout: BucketLayout
  private let stop: StopFlag
  let mirror: BucketMirror?
  private let scratch: TemporaryFolder
  private let digests: Database

  private lazy var creations = Result {
    try digests.prepare("SELECT origin FROM objects WHERE name = ? AND is_first = 1")
  }

  /// Reads all objects.
  /// - Throws: `S3Error`; `Interruption`.
  package init(_ settings: BucketSettings, stop: StopFlag) throws {
    client = S3Client(settings.store)
    layout = BucketLayout(settings.address)
    self.stop = stop
    mirror = try BucketMirror(client, layout)
    try mirror?.fill(stop: stop)
    scratch = try TemporaryFolder()
    digests = try Database(path: scratch.path + "/objects.sqlite", busyTimeout: .zero)
    try digests.execute(
      """
      CREATE TABLE objects (
        name TEXT PRIMARY KEY, digest BLOB NOT NULL, size INTEGER NOT NULL, origin TEXT, is_first INTEGER NOT NULL
      ) WITHOUT ROWID
      """)
    try digests.transaction { try readObjects() }
  }

  deinit {
    mirror?.close()
    client.close()
    digests.close()
    scratch.remove()
  }

  private func readObjects() throws {
    let insert = try digests.prepare("INSERT INTO objects VALUES (?, ?, ?, ?, ?)")
    try client.readImages(layout, stop: stop) { name, read in
      let version = read.object?.version
      try insert.run(
        .text(name), .blob(read.digest.bytes), .integer(Int64(read.size)),
        version.map { .text($0.origin.text) } ?? .null, .integer(read.object?.history.isEmpty == true ? 1 : 0))
    }
  }

  // MARK: Verified output

  package func eachRow(_ body: (String, String) throws -> Void) throws {
    let forget = try digests.prepare("UPDATE objects SET is_first = 0 WHERE name = ?")
    try mirror?.eachRow { name, row in
      // An earlier row with the same hash is of an object that somebody has removed since. A second row of the same message
      // is a duplicate.
      if try hasCreated(name, row) {
        try forget.run(.text(name))
        try body(name, "")
      }
      try body(name, row.digest.hex)
    }
  }

  /// Whether there was no object of this name when the row's message was stored.
  private func hasCreated(_ name: String, _ row: StoredRow) throws -> Bool {
    guard
      let origin = try creations.get().first(.text(name), row: { $0.isNull(0) ? nil : ImageOrigin($0.text(0)) }) ?? nil
    else { return false }
    return origin.topic == row.topic && origin.partition == row.partition && origin.offset == row.offset
  }

  /// An object that a consumer has stored, without its bytes.
  struct Object {
    let name: String
    let digest: Digest
    let size: Int
    let origin: ImageOrigin
  }

  /// Calls `body` with all objects that a consumer has stored.
  func eachObject(_ body: (Object) throws -> Void) throws {
    try digests.prepare("SELECT name, digest, size, origin FROM objects WHERE origin IS NOT NULL ORDER BY name").each {
      row in
      if let origin = ImageOrigin(row.text(3)), let digest = Digest(bytes: row.blob(1)) {
        try body(Object(name: row.text(0), digest: digest, size: Int(row.integer(2)), origin: origin))
      }
      return true
    }
  }

  package func storedDigest(_ name: String) throws -> Digest? {
    try digests.prepare("SELECT digest FROM objects WHERE name = ?").first(.text(name)) { Digest(bytes: $0.blob(0)) }
      ?? nil
  }

  package func eachName(_ body: (String) throws -> Void) throws {
    try digests.prepare("SELECT name FROM objects ORDER BY name").each { row in
      try body(row.text(0))
      return true
    }
  }
}
