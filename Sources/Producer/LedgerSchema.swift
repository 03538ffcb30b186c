/// The ledger's tables.
package enum LedgerSchema {
  package static let version = 5

  static let creation = migration(from: 0)

  /// The statements that bring an older ledger up to date.
  /// - Parameter version: 0 for a new one.
  static func migration(from version: Int) -> String {
    [first, second, third, fourth, fifth].dropFirst(version).joined(separator: "\n")
  }

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

  /// The state of each image, as consumers report it in receipts. Times are in ms since 1970; 0: unknown.
  static let fourth = """
    -- Where the image's last message is.
    ALTER TABLE files ADD COLUMN partition INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE files ADD COLUMN offset INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE files ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE files ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE files ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
    -- The time of the last receipt about it.
    ALTER TABLE files ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
    -- One bit for each output that has it: bit N for the output with the number N.
    ALTER TABLE files ADD COLUMN outputs INTEGER NOT NULL DEFAULT 0;
    -- See Ledger.State.
    ALTER TABLE files ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE files ADD COLUMN reason TEXT;
    ALTER TABLE files ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX waiting_files ON files (scope, partition, offset) WHERE state = 1;
    CREATE INDEX lost_files ON files (scope) WHERE state = 4;
    -- How many outputs made a line confirmed.
    ALTER TABLE scopes ADD COLUMN receipts_needed INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE outputs (
      scope INTEGER NOT NULL REFERENCES scopes, number INTEGER NOT NULL, id TEXT NOT NULL,
      PRIMARY KEY (scope, number), UNIQUE (scope, id)
    ) WITHOUT ROWID;
    -- How far the topic of receipts is read.
    CREATE TABLE receipt_positions (
      scope INTEGER NOT NULL REFERENCES scopes, partition INTEGER NOT NULL, next INTEGER NOT NULL,
      PRIMARY KEY (scope, partition)
    ) WITHOUT ROWID;
    -- How far each output has dealt with each partition of the images' topic.
    CREATE TABLE stored_positions (
      scope INTEGER NOT NULL REFERENCES scopes, output INTEGER NOT NULL, partition INTEGER NOT NULL,
      next INTEGER NOT NULL, PRIMARY KEY (scope, output, partition)
    ) WITHOUT ROWID;
    """

  /// Tells a receipt that was sent late from one that sets an output back. In ms since 1970.
  private static let fifth = "ALTER TABLE stored_positions ADD COLUMN time INTEGER NOT NULL DEFAULT 0;"
}
