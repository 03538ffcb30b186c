import SQLite

/// The catalog's tables. The catalog is stored inside the output, so anyone who has the images has the catalog too.
package enum CatalogSchema {
  package static let version = 3

  static let creation = [first, second, third].joined(separator: "\n")

  /// The statements that bring an older catalog up to date.
  /// - Parameter version: the catalog's version, 1 or more.
  static func migration(from version: Int) -> String {
    [second, third].dropFirst(version - 1).joined(separator: "\n")
  }

  private static let first = """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    -- Positions belong to a topic's incarnation: where a topic was re-created, its generation grows and they are void.
    CREATE TABLE topics (
      id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, topic TEXT NOT NULL, generation INTEGER NOT NULL,
      UNIQUE (cluster, topic)
    );
    CREATE TABLE positions (
      topic INTEGER NOT NULL REFERENCES topics, generation INTEGER NOT NULL, partition INTEGER NOT NULL,
      next INTEGER NOT NULL, last_offset INTEGER, last_time INTEGER, last_key BLOB,
      PRIMARY KEY (topic, generation, partition)
    ) WITHOUT ROWID;

    -- What stands under each name now. The stamp tells a file that somebody altered since.
    CREATE TABLE images (
      name TEXT PRIMARY KEY, digest BLOB NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, inode INTEGER NOT NULL
    ) WITHOUT ROWID;

    -- Everything that was ever stored, in order: a line of the CSV file each.
    CREATE TABLE stored (
      id INTEGER PRIMARY KEY, file_path TEXT NOT NULL, label TEXT NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL,
      format TEXT NOT NULL, width INTEGER, height INTEGER, topic TEXT NOT NULL, partition INTEGER NOT NULL,
      offset INTEGER NOT NULL, sent_time INTEGER, stored_time INTEGER NOT NULL
    );
    CREATE TABLE csv_files (
      path TEXT PRIMARY KEY, length INTEGER NOT NULL, last_stored INTEGER NOT NULL, last_line BLOB NOT NULL
    ) WITHOUT ROWID;

    -- Images of which some segments are still to come.
    CREATE TABLE assemblies (
      id INTEGER PRIMARY KEY, segment_id TEXT NOT NULL, count INTEGER NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL,
      length INTEGER NOT NULL, updated INTEGER NOT NULL, topic INTEGER NOT NULL REFERENCES topics,
      generation INTEGER NOT NULL, UNIQUE (segment_id, count)
    );
    CREATE TABLE parts (
      assembly INTEGER NOT NULL REFERENCES assemblies ON DELETE CASCADE, number INTEGER NOT NULL, size INTEGER NOT NULL,
      partition INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (assembly, number)
    ) WITHOUT ROWID;
    """

  /// The tables with what is known about messages that are read again. They are empty unless `repair` rebuilt the
  /// catalog from the CSV file's rows, or a topic is read again (`Catalog.readAgain`). In both cases the positions are
  /// missing, so the topic is read from its beginning, including older versions of images.
  private static let second = """
    -- The last row that each partition has, which tells whether a topic of that name is the same one; then it is bound.
    CREATE TABLE past_partitions (
      topic TEXT NOT NULL, partition INTEGER NOT NULL, last_offset INTEGER NOT NULL, last_time INTEGER,
      last_key BLOB NOT NULL, newest_time INTEGER, bound_topic INTEGER REFERENCES topics, bound_generation INTEGER,
      PRIMARY KEY (topic, partition)
    ) WITHOUT ROWID;
    -- Up to where each partition's messages of an image have been dealt with.
    CREATE TABLE past_images (
      name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
      PRIMARY KEY (name, topic, partition)
    ) WITHOUT ROWID;
    """

  /// The outbox of receipts. See `ReceiptOutbox`.
  private static let third = """
    -- Receipts that may not have been sent, each with the slot of the consumer that is to send it. An id is never used
    -- again: it may still be under way.
    CREATE TABLE receipts (
      id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL REFERENCES topics, slot INTEGER NOT NULL,
      key BLOB NOT NULL, value BLOB NOT NULL
    );
    """
}
