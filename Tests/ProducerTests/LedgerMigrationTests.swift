import TestSupport
import Testing

@testable import Producer
@testable import SQLite
@testable import Wire

/// Ledgers as older versions of the program wrote them.
@Suite struct LedgerMigrationTests {
  private let scratch: TestFolder
  private let digest = TestSupport.digest(of: "a")

  /// What each version added.
  private static let schemas = [
    """
    CREATE TABLE scopes (
      id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, topic TEXT NOT NULL, input TEXT NOT NULL,
      UNIQUE (cluster, topic, input)
    );
    CREATE TABLE files (
      scope INTEGER NOT NULL REFERENCES scopes, path TEXT NOT NULL, size INTEGER NOT NULL,
      modified INTEGER NOT NULL, inode INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (scope, path)
    ) WITHOUT ROWID;
    CREATE TABLE offsets (
      scope INTEGER NOT NULL REFERENCES scopes, partition INTEGER NOT NULL, last INTEGER NOT NULL,
      PRIMARY KEY (scope, partition)
    ) WITHOUT ROWID;
    INSERT INTO scopes (id, cluster, topic, input) VALUES (1, 'c', 't', '/images');
    INSERT INTO offsets VALUES (1, 0, 41);
    """,
    """
    ALTER TABLE offsets ADD COLUMN last_time INTEGER;
    ALTER TABLE offsets ADD COLUMN last_key BLOB;
    ALTER TABLE scopes ADD COLUMN is_topic_new INTEGER NOT NULL DEFAULT 0;
    UPDATE offsets SET last_time = 7;
    """,
    """
    ALTER TABLE files ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    UPDATE files SET changed = 6;
    """,
  ]

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("old")
  }

  private func ledger() throws -> Ledger {
    try Ledger(in: scratch / "old", cluster: "c", topic: "t", input: "/images")
  }

  private func writeLedger(version: Int) throws {
    let old = try Database(path: scratch / "old/\(Ledger.fileName)", busyTimeout: .zero)
    try old.execute(Self.schemas[0])
    try old.prepare("INSERT INTO files VALUES (1, 'a.jpg', 3, 4, 5, ?)").run(.blob(digest.bytes))
    for schema in Self.schemas[1..<min(version, 3)] { try old.execute(schema) }
    if version == 4 { try old.execute(LedgerSchema.fourth) }
    try old.setUserVersion(version)
    old.close()
  }

  @Test("a ledger of an older version is upgraded", arguments: 1...3) func olderLedgerIsUpgraded(version: Int) throws {
    try writeLedger(version: version)
    // Version 1 and 2 have no ctime, so the file is read once more and recognized by its hash.
    let stamp = FileStamp(size: 3, modified: 4, changed: version < 3 ? 0 : 6, inode: 5)
    for _ in 0..<2 {
      let ledger = try ledger()
      // No receipt of that time says whether the image was stored.
      #expect(try ledger.line("a.jpg") == Ledger.Line(stamp: stamp, digest: digest, state: .unknown))
      #expect(
        try ledger.marks() == [0: MessageMark(offset: 41, timestamp: version < 2 ? nil : 7, key: nil)])
      #expect(try !ledger.isTopicNew())
      #expect(try !ledger.isWaiting())
    }
  }

  @Test("an upgraded ledger can do everything that a new one can", arguments: 1...4)
  func upgradedLedgerIsComplete(version: Int) throws {
    try writeLedger(version: version)
    let ledger = try ledger()
    let mark = MessageMark(offset: 42, timestamp: 8, key: digest)
    try ledger.advance([0: mark])
    let stamp = FileStamp(size: 3, modified: 4, changed: 6, inode: 5)
    let delivery = Ledger.Delivery(partition: 2, offset: 10, seen: 1, sent: 2, acknowledged: 3)
    try ledger.record([("a.jpg", Ledger.Line(stamp: stamp, digest: digest, delivery: delivery))])
    let report = ReceiptReport(
      output: "o", path: "a.jpg", digest: digest, partition: 2, offset: 10, time: 9, outcome: .stored)
    #expect(try ledger.apply([report], needed: 1) == [.confirmed(path: "a.jpg", seen: 1)])
    try ledger.setTopicNew()
    #expect(try ledger.marks() == [:] && ledger.isTopicNew())
  }
}
