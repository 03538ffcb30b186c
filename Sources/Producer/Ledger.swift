import Configuration
import Platform
import SQLite
import Synchronization
import Wire

/// The record of what was sent. A file counts once the broker has acknowledged all of it and the ledger has its line.
///
/// An SQLite database in the producer's state folder. Each line belongs to a scope: cluster, topic and input folder.
/// Safe to use from several threads.
package final class Ledger: Sendable {
  package static let fileName = "ledger.sqlite"

  // Two connections: a line is read for each file of a scan, and must not wait for the sync of a transaction.
  private let path: String
  private let reader: Mutex<Connection>
  private let writer: Mutex<Connection>
  /// The number of transactions of `writer`.
  private let changes = Atomic<Int>(0)

  /// - Parameter folder: created if it is missing.
  init(in folder: String, cluster: String, topic: String, input: String) throws {
    _ = try Folder.create(folder)
    let path = folder + "/" + Self.fileName
    self.path = path
    do {
      writer = Mutex(try Connection(path, cluster: cluster, topic: topic, input: input))
      reader = Mutex(try Connection(path, cluster: cluster, topic: topic, input: input))
    } catch { throw LedgerError.of(error, path: path) }
  }

  private func using<T: Sendable>(_ connection: borrowing Mutex<Connection>, _ body: (Connection) throws -> T) throws
    -> T
  {
    do { return try connection.withLock { try body($0) } } catch { throw LedgerError.of(error, path: path) }
  }

  func line(_ path: String) throws -> Line? {
    // Loaded before the read: a caller that knows that a file is no longer in progress finds its line.
    let changes = changes.load(ordering: .acquiring)
    return try using(reader) { try $0.line(path, changes) }
  }

  /// Keeps one read transaction open for all reads in `body`, because beginning one for each line costs more than
  /// reading the line. A write through this ledger starts a new one. Writes of another process may become visible only
  /// afterwards.
  func reading<T>(_ body: () throws -> T) throws -> T {
    reader.withLock { $0.keepsReading = true }
    defer { reader.withLock { $0.keepsReading = false } }
    return try body()
  }

  private func writing<T: Sendable>(_ body: (Connection) throws -> T) throws -> T {
    defer { changes.add(1, ordering: .releasing) }
    return try using(writer, body)
  }

  /// Checks that the open file is still the one at the ledger's path.
  /// - Throws: `LedgerError.gone` if the file was removed or replaced: nobody would find what is written to it then.
  func checkPlace() throws { try using(reader) { try $0.checkPlace() } }

  /// Records files, in one durable transaction.
  /// - Parameter marks: stored for partitions that have none. An existing mark stays, because it shows whether the
  ///   topic is still the same.
  func record(_ lines: [(path: String, line: Line)], marks: [Int32: MessageMark] = [:]) throws {
    try writing { try $0.record(lines, marks) }
  }

  /// Records that another version of a file is about to be sent. Until the ledger has the new version, the topic may have
  /// either of them last, so neither counts as sent.
  func doubt(_ path: String) throws { try writing { try $0.doubt(path) } }

  /// The first lines after a path, in the order of their paths.
  func lines(after path: String, limit: Int) throws -> [(path: String, line: Line)] {
    try using(writer) { try $0.lines(after: path, limit: limit) }
  }

  /// Forgets files that are no longer in the input folder.
  func remove(_ paths: [String]) throws { try writing { try $0.remove(paths) } }

  /// Forgets the whole scope, including that its topic was found to be a different one.
  func forget() throws { try writing { try $0.forget() } }

  /// The mark of each partition: a message that the topic has acknowledged.
  func marks() throws -> [Int32: MessageMark] { try using(writer) { try $0.marks() } }

  /// Replaces marks with newer ones.
  func advance(_ marks: [Int32: MessageMark]) throws { try using(writer) { try $0.advance(marks) } }

  /// Whether the topic was found to be a different one from the one that images were sent to.
  func isTopicNew() throws -> Bool { try using(writer) { try $0.isTopicNew() } }

  /// Forgets the marks and what outputs have passed: that was another topic.
  /// - Parameter losesWaiting: whether images that wait for receipts count as lost, because the new topic does not have
  ///   them.
  func setTopicNew(losesWaiting: Bool = false) throws {
    try writing { try $0.setTopicNew(losesWaiting: losesWaiting) }
  }

  // MARK: Receipts

  /// Sets how many outputs have to confirm an image. If the number has changed, lines are judged by the new one.
  func setReceiptsNeeded(_ needed: Int) throws { try writing { try $0.setReceiptsNeeded(needed) } }

  /// Applies what receipts report, in one durable transaction.
  /// - Parameters:
  ///   - needed: how many outputs have to confirm an image.
  ///   - passed: how far outputs have dealt with the images' topic.
  ///   - positions: how far the topic of receipts is read.
  /// - Returns: the effect of each report.
  func apply(
    _ reports: [ReceiptReport], needed: Int, passed: [PassedPosition] = [], positions: [Int32: Int64] = [:]
  ) throws -> [ReceiptReport.Effect] {
    if reports.isEmpty, passed.isEmpty, positions.isEmpty { return [] }
    return try writing { try $0.apply(reports, needed: needed, passed: passed, positions: positions) }
  }

  func setReceiptPositions(_ positions: [Int32: Int64]) throws { try writing { try $0.setReceiptPositions(positions) } }

  /// How far the topic of receipts is read.
  func receiptPositions() throws -> [Int32: Int64] { try using(writer) { try $0.receiptPositions() } }

  func passedPositions() throws -> [PassedPosition] { try using(writer) { try $0.passedPositions() } }

  /// Marks images as lost that an output has passed and does not have.
  /// - Parameters:
  ///   - passed: how far outputs have been for a while. Only what is still recorded counts.
  ///   - needed: how many outputs make an image confirmed. One that they have, and that was sent again, is confirmed again.
  ///   - excluded: paths that stay as they are.
  ///   - limit: the most images to mark.
  /// - Returns: the paths of the images that were marked.
  func lose(_ passed: [PassedPosition], needed: Int, excluding excluded: PathSet, limit: Int) throws -> [String] {
    try writing { try $0.lose(passed, needed: needed, excluding: excluded, limit: limit) }
  }

  /// Records that the files of lost images are gone.
  func setGone(_ paths: [String]) throws { try writing { try $0.setGone(paths) } }

  /// Whether an image waits for receipts.
  func isWaiting() throws -> Bool { try using(reader) { try $0.isWaiting() } }

  /// The number of images that wait for receipts, and when the broker acknowledged the oldest of them, in ms since 1970.
  func waiting() throws -> (count: Int, oldest: Int64?) { try using(reader) { try $0.waiting() } }

  /// The paths of the images in a state, at most `limit`, in the order of their bytes.
  /// - Parameter last: only paths that follow this one.
  func paths(_ state: State, after last: String = "", limit: Int) throws -> [String] {
    // The other connection may be in the middle of a scan's transaction, and see what was there before.
    try using(writer) { try $0.paths(state, after: last, limit: limit) }
  }

  /// Whether an output has ever sent a receipt for these images.
  func knowsOutputs() throws -> Bool { try using(writer) { try $0.knowsOutputs() } }
}
