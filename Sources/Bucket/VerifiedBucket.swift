package import Configuration
import Output
package import Platform
import S3
import SQLite
import Synchronization
import Wire

/// An output in a bucket as `verify` reads it: every object is read and hashed, many at the same time.
package final class VerifiedBucket: VerifiedOutput {
  private let client: S3Client
  private let layout: BucketLayout
  private let stop: StopFlag
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
    scratch = try TemporaryFolder()
    digests = try Database(path: scratch.path + "/objects.sqlite", busyTimeout: .zero)
    try digests.execute("CREATE TABLE objects (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID")
    try digests.transaction { try readObjects() }
  }

  deinit {
    client.close()
    digests.close()
    scratch.remove()
  }

  private func readObjects() throws {
    let insert = try digests.prepare("INSERT INTO objects VALUES (?, ?)")
    var listing = S3Listing(client, prefix: layout.address.keyStart)
    while let page = try listing.nextPage() {
      let keys = page.objects.map(\.key).filter { !$0.utf8.starts(with: layout.reserved.utf8) }
      for start in stride(from: 0, to: keys.count, by: Self.together) {
        try stop.check("not everything was compared")
        let some = Array(keys[start..<min(start + Self.together, keys.count)])
        for (key, digest) in zip(some, try hash(some)) {
          // Removed since it was listed.
          guard let digest else { continue }
          let name = String(decoding: key.utf8.dropFirst(layout.address.keyStart.utf8.count), as: UTF8.self)
          try insert.run(.text(name), .blob(digest.bytes))
        }
      }
    }
  }

  private func hash(_ keys: [String]) throws -> [Digest?] {
    let sums = keys.map { _ in Sum() }
    let requests = zip(keys, sums).map { key, sum in
      var request = S3Request.get(key)
      request.sink = { sum.add($0) }
      return request
    }
    return try zip(client.perform(requests), sums).map { try $0.get().status == 404 ? nil : $1.finish() }
  }

  private final class Sum: Sendable {
    private let hash = Mutex(SHA256())
    func add(_ bytes: UnsafeRawBufferPointer) -> Bool {
      hash.withLock { $0.update(bytes) }
      return true
    }
    func finish() -> Digest { hash.withLock { $0.finish() } }
  }

  // MARK: Verified output

  package func eachRow(_ body: (String, String) throws -> Void) throws {
    let start = layout.address.description.utf8.count + 1
    try BucketRows(client, layout).each { row in
      try body(String(decoding: row.filePath.utf8.dropFirst(start), as: UTF8.self), row.digest.hex)
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
