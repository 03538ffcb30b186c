package import Configuration
import Output
package import Platform
import S3
import SQLite
import Wire

/// An output in a bucket as `verify` reads it: every object is read and hashed, many at the same time.
package final class VerifiedBucket: VerifiedOutput {
  private let client: S3Client
  private let layout: BucketLayout
  private let stop: StopFlag
  private let mirror: BucketMirror?
  private let scratch: TemporaryFolder
  private let digests: Database

  /// How many objects are read at the same time.
  private static let together = 64

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
    try digests.execute("CREATE TABLE objects (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID")
    try digests.transaction { try readObjects() }
  }

  deinit {
    mirror?.close()
    client.close()
    digests.close()
    scratch.remove()
  }

  private func readObjects() throws {
    let insert = try digests.prepare("INSERT INTO objects VALUES (?, ?)")
    var listing = S3Listing(client, prefix: layout.address.keyStart)
    while let page = try listing.nextPage() {
      let names = page.objects.compactMap { layout.name(ofKey: $0.key) }
      for start in stride(from: 0, to: names.count, by: Self.together) {
        try stop.check("not everything was compared")
        let some = Array(names[start..<min(start + Self.together, names.count)])
        for (name, digest) in zip(some, try client.digests(of: some.map { layout.image($0) })) {
          // Removed since it was listed.
          guard let digest else { continue }
          try insert.run(.text(name), .blob(digest.bytes))
        }
      }
    }
  }

  // MARK: Verified output

  package func eachRow(_ body: (String, String) throws -> Void) throws {
    try mirror?.eachRow { name, digest in try body(name, digest.hex) }
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
