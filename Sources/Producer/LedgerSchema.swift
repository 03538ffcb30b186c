/// The ledger's tables.
package enum LedgerSchema {
  package static let version = 3

  static let creation = first + "\n" + second + "\n" + third

  /// The statements that bring an older ledger up to date.
  /// - Parameter version: 1 or more.
  static func migration(from version: Int) -> String { (version < 2 ? second + "\n" : "") + third }

  private static let first = """
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
    """

  /// What distinguishes a topic from another topic of the same name.
  private static let second = """
    ALTER TABLE offsets ADD COLUMN last_time INTEGER;
    ALTER TABLE offsets ADD COLUMN last_key BLOB;
    -- 1 where the topic was found to be another one than was sent to, until all that was sent is forgotten.
    ALTER TABLE scopes ADD COLUMN is_topic_new INTEGER NOT NULL DEFAULT 0;
    """

  /// Files that were recorded without a ctime are read once more. Their hash then shows that they were sent.
  private static let third = "ALTER TABLE files ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;"
}
