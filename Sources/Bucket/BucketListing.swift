import Platform
import S3
import SQLite
import Wire

/// The images that a bucket had when it was listed, in a database on disk: there may be many millions.
final class BucketListing {
  private let scratch: TemporaryFolder
  private let database: Database
  private let find: Statement

  /// - Parameter stop: checked between pages.
  init(_ client: any S3Requests, _ layout: BucketLayout, stop: StopFlag) throws {
    scratch = try TemporaryFolder()
    let database = try Database(path: scratch.path + "/objects.sqlite", busyTimeout: .zero)
    self.database = database
    try database.execute("CREATE TABLE objects (name TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID")
    let insert = try database.prepare("REPLACE INTO objects VALUES (?, ?)")
    find = try database.prepare("SELECT size FROM objects WHERE name = ?")
    try database.transaction {
      var listing = S3Listing(client, prefix: layout.address.keyStart)
      while let page = try listing.nextPage() {
        try stop.check("not everything was compared")
        for object in page.objects {
          guard let name = layout.name(ofKey: object.key) else { continue }
          try insert.run(.text(name), .integer(Int64(object.size)))
        }
      }
    }
  }

  deinit { scratch.remove() }

  func close() {
    database.close()
    scratch.remove()
  }

  /// nil if there is no such image.
  func size(of name: String) throws -> Int? { try find.first(.text(name)) { Int($0.integer(0)) } }

  /// Calls `body` with all names, in the order of their bytes.
  func eachName(_ body: (String) throws -> Void) throws {
    try database.prepare("SELECT name FROM objects ORDER BY name").each { row in
      try body(row.text(0))
      return true
    }
  }
}
