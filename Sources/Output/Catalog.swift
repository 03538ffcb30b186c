package import Platform
import SQLite
package import Wire

/// The SQLite database of an output: which image is stored under each name, the message that each one came from, and
/// the position of each partition. It is authoritative; the CSV file is derived from it.
///
/// All consumers of an output share one catalog file, which is stored in the output. Its transaction is the fence
/// between them: a consumer that finds a position that it did not expect discards its batch. A `Catalog` is used by one
/// thread.
package final class Catalog {
  package static let fileName = ImageName.catalog

  let database: Database
  package let path: String
  /// The catalog's identity, created with it; part of the consumers' `group.instance.id`.
  package let id: String

  /// The output's `.image-pipeline`.
  let folder: Folder
  private let wait: LockWait?

  /// Opens the catalog in `folder`, and creates or migrates it if necessary.
  /// - Parameters:
  ///   - id: the identity of a catalog that is created; nil: a new one.
  ///   - exclusive: true if the file system has no memory that processes can share. Then only one consumer can use it.
  ///   - wait: logs that another consumer holds the lock, and ends the wait when the run is to stop.
  init(in folder: Folder, id former: String? = nil, exclusive: Bool, wait: LockWait? = nil) throws {
    self.folder = folder
    self.wait = wait
    let refusal = exclusive ? SlotError(path: folder.path, alone: true) : nil
    let path = folder.path + "/" + Self.fileName
    self.path = path
    let database = try Self.waiting(wait, orElse: refusal) {
      try Database(path: path, busyTimeout: .milliseconds(200), exclusive: exclusive)
    }
    self.database = database
    let made = former ?? String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16)
    id = try Self.waiting(wait, orElse: refusal) {
      try database.transaction {
        switch try database.userVersion() {
        case 0:
          try database.execute(CatalogSchema.creation)
          try database.prepare("INSERT INTO facts VALUES ('catalog', ?)").run(.text(made))
          try database.setUserVersion(CatalogSchema.version)
        case CatalogSchema.version: break
        case let older where (1..<CatalogSchema.version).contains(older):
          try database.execute(CatalogSchema.migration(from: older))
          try database.setUserVersion(CatalogSchema.version)
        case let other: throw CatalogError.foreignVersion(other, path: folder.path)
        }
        return try Self.id(in: database)
      }
    }
  }

  /// Opens an existing catalog for reading, next to the consumers that use it.
  /// - Parameter output: the path of the output.
  /// - Returns: nil if the file is empty: it was lost, or a consumer is creating it.
  /// - Throws: `CatalogError.foreignVersion` unless this program's consumers write it; `CatalogError.damaged`.
  package init?(reading output: String) throws {
    wait = nil
    folder = try Folder.open(output + "/" + ImageName.reserved)
    path = folder.path + "/" + Self.fileName
    do {
      database = try Database(reading: path)
      let version = try database.userVersion()
      if version == 0 { return nil }
      guard version == CatalogSchema.version else { throw CatalogError.foreignVersion(version, path: folder.path) }
      id = try Self.id(in: database)
    } catch { throw CatalogError(behind: error, path: path) ?? error }
  }

  static func id(in database: Database) throws -> String {
    let known = try database.prepare("SELECT value FROM facts WHERE name = 'catalog'").first { $0.text(0) }
    guard let known else { throw UnreadableCatalog("it has no identity") }
    return known
  }

  private static func waiting<T>(_ wait: LockWait?, orElse refusal: (any Error)? = nil, _ body: () throws -> T) throws
    -> T
  {
    while true {
      do {
        let result = try body()
        wait?.end()
        return result
      } catch let error as SQLiteError where error.isBusy {
        if let refusal { throw refusal }
        try wait?.tick()
      }
    }
  }

  func transaction<T>(_ body: () throws -> T) throws -> T { try Self.waiting(wait) { try database.transaction(body) } }

  /// - Throws: `CatalogError.gone` if the file was removed or replaced after it was opened.
  func checkPlace() throws {
    if database.hasMoved { throw CatalogError.gone(path: path) }
  }

  /// True until a consumer has completed its first start with this catalog.
  var isNew: Bool {
    get throws {
      try prepared(
        "SELECT EXISTS (SELECT 1 FROM stored UNION ALL SELECT 1 FROM positions UNION ALL SELECT 1 FROM csv_files)"
      )
      .first { $0.integer(0) } == 0
    }
  }

  /// By the addresses of their texts, which are literals. Hashing a text would take about as long as the statement.
  private var statements: [UnsafePointer<UInt8>: Statement] = [:]
  private var composed: [String: Statement] = [:]

  /// A prepared statement, kept for the next use.
  func prepared(_ sql: StaticString) throws -> Statement {
    if let statement = statements[sql.utf8Start] { return statement }
    let statement = try database.prepare("\(sql)")
    statements[sql.utf8Start] = statement
    return statement
  }

  /// The same, for a text that is not a literal. There must be only few of them.
  func prepared(composed sql: String) throws -> Statement {
    if let statement = composed[sql] { return statement }
    let statement = try database.prepare(sql)
    composed[sql] = statement
    return statement
  }

  // MARK: Topics and positions

  /// One generation of a topic. The catalog counts the topics that had this name in this cluster.
  package struct Topic: Equatable, Sendable {
    package let id: Int64
    package let generation: Int64

    package init(id: Int64, generation: Int64) {
      self.id = id
      self.generation = generation
    }
  }

  /// How far a partition is stored.
  package struct Position: Equatable, Sendable {
    /// The offset at which to continue.
    package var next: Int64
    /// The message before `next`. If the topic has another message at that offset, it is a different topic.
    package var last: MessageMark?

    package init(next: Int64, last: MessageMark?) {
      self.next = next
      self.last = last
    }
  }

  package func topic(_ name: String, cluster: String) throws -> Topic {
    if let known = try find(name, cluster: cluster) { return known }
    return try transaction {
      try prepared("INSERT OR IGNORE INTO topics (cluster, topic, generation) VALUES (?, ?, 1)")
        .run(.text(cluster), .text(name))
      return try find(name, cluster: cluster)!
    }
  }

  private func find(_ name: String, cluster: String) throws -> Topic? {
    try prepared("SELECT id, generation FROM topics WHERE cluster = ? AND topic = ?")
      .first(.text(cluster), .text(name)) { Topic(id: $0.integer(0), generation: $0.integer(1)) }
  }

  func generation(of topic: Topic) throws -> Int64 {
    try prepared("SELECT generation FROM topics WHERE id = ?").first(.integer(topic.id)) { $0.integer(0) } ?? 0
  }

  /// Begins a new generation of the topic, because it was re-created: the positions of the old one no longer apply.
  /// Nothing changes if another consumer has already done this.
  package func advance(_ topic: Topic) throws {
    try transaction {
      try prepared("UPDATE topics SET generation = generation + 1 WHERE id = ? AND generation = ?")
        .run(.integer(topic.id), .integer(topic.generation))
    }
  }

  package func position(_ topic: Topic, partition: Int32) throws -> Position? {
    try prepared(
      "SELECT next, last_offset, last_time, last_key FROM positions WHERE topic = ? AND generation = ? AND partition = ?"
    ).first(.integer(topic.id), .integer(topic.generation), .integer(Int64(partition))) { row in
      let mark = Digest(bytes: row.blob(3)).map {
        MessageMark(offset: row.integer(1), timestamp: row.isNull(2) ? nil : row.integer(2), key: $0)
      }
      return Position(next: row.integer(0), last: mark)
    }
  }

  func set(_ position: Position, _ topic: Topic, partition: Int32) throws {
    try prepared(
      "REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?, ?)"
    ).run(
      .integer(topic.id), .integer(topic.generation), .integer(Int64(partition)), .integer(position.next),
      position.last.map { .integer($0.offset) } ?? .null, position.last?.timestamp.map { .integer($0) } ?? .null,
      position.last?.key.map { .blob($0.bytes) } ?? .null)
  }

  // MARK: Images

  /// The image that is stored under a name now.
  package struct Entry: Equatable {
    package let digest: Digest
    package let size: Int
    let modified: Int64
    let inode: UInt64
  }

  func entry(_ name: String) throws -> Entry? {
    try prepared(
      "SELECT digest, size, modified, inode FROM images WHERE name = ?"
    ).first(.text(name)) { try Self.entry($0) }
  }

  /// At most `count` entries, in the order of their names' bytes.
  func entries(after name: String?, atMost count: Int) throws -> [(name: String, entry: Entry)] {
    var found: [(name: String, entry: Entry)] = []
    try prepared(
      "SELECT digest, size, modified, inode, name FROM images WHERE name > ? ORDER BY name LIMIT ?"
    ).each(.text(name ?? ""), .integer(Int64(count))) { row in
      found.append((row.text(4), try Self.entry(row)))
      return true
    }
    return found
  }

  private static func entry(_ row: Row) throws -> Entry {
    Entry(
      digest: try row.digest(0), size: Int(row.integer(1)), modified: row.integer(2),
      inode: UInt64(bitPattern: row.integer(3)))
  }

  func set(_ entry: Entry, name: String) throws {
    try prepared(
      "REPLACE INTO images VALUES (?, ?, ?, ?, ?)"
    ).run(
      .text(name), .blob(entry.digest.bytes), .integer(Int64(entry.size)), .integer(entry.modified),
      .integer(Int64(bitPattern: entry.inode)))
  }

  func append(_ row: StoredRow) throws {
    func optional(_ number: Int?) -> Statement.Value { number.map { .integer(Int64($0)) } ?? .null }
    try prepared(
      """
      INSERT INTO stored (file_path, label, digest, size, format, width, height, topic, partition, offset, sent_time,
        stored_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """
    ).run(
      .text(row.filePath), .text(row.label), .blob(row.digest.bytes), .integer(Int64(row.size)), .text(row.format),
      optional(row.width), optional(row.height), .text(row.topic), .integer(Int64(row.partition)),
      .integer(row.offset), row.sentTime.map { .integer($0) } ?? .null, .integer(row.storedTime))
  }

  /// Calls `body` with the rows after `id`, oldest first, each with its own id.
  func rows(after id: Int64, _ body: (Int64, StoredRow) throws -> Void) throws {
    let statement = try prepared("SELECT * FROM stored WHERE id > ? ORDER BY id")
    try statement.each(.integer(id)) { row in
      try body(row.integer(0), try Self.storedRow(row))
      return true
    }
  }

  /// - Parameter row: all columns of `stored`.
  static func storedRow(_ row: Row) throws -> StoredRow {
    func optional(_ column: Int32) -> Int? { row.isNull(column) ? nil : Int(row.integer(column)) }
    return StoredRow(
      filePath: row.text(1), label: row.text(2), digest: try row.digest(3), size: Int(row.integer(4)),
      format: row.text(5), width: optional(6), height: optional(7), topic: row.text(8),
      partition: Int32(clamping: row.integer(9)), offset: row.integer(10),
      sentTime: row.isNull(11) ? nil : row.integer(11), storedTime: row.integer(12))
  }
}

/// One stored version of an image: a line of the CSV file.
package struct StoredRow: Equatable, Sendable {
  package var filePath: String
  package var label: String
  package var digest: Digest
  package var size: Int
  package var format: String
  package var width: Int?
  package var height: Int?
  /// Empty, with -1 for partition and offset, if `repair` found the image and nothing else.
  package var topic: String
  package var partition: Int32
  package var offset: Int64
  /// The message's time in ms since 1970; nil if it has none.
  package var sentTime: Int64?
  package var storedTime: Int64
}
