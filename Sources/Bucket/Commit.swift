import Output
import Platform
import S3
import Wire

/// A batch of a partition in the log: its rows, and where it ends. The object that has it is created once, by the
/// consumer that has stored the batch.
struct Commit: Sendable {
  /// The position at which the batch begins; also the object's name.
  let first: Int64
  /// The position afterwards.
  let position: Catalog.Position
  /// Identifies this attempt to store the batch.
  let id: String
  let time: Int64
  var rows: [StoredRow]
  /// Whether the batch has notes, in an object of their own.
  let hasNotes: Bool

  private enum Name {
    static let id = "batch"
    static let time = "time"
    static let notes = "notes"
    /// The length of the output's address, in bytes.
    static let addressLength = "address-length"
  }

  init(
    first: Int64, position: Catalog.Position, id: String, time: Int64, rows: [StoredRow], hasNotes: Bool
  ) {
    self.first = first
    self.position = position
    self.id = id
    self.time = time
    self.rows = rows
    self.hasNotes = hasNotes
  }

  func request(_ layout: LogLayout) -> S3Request {
    var body = CSVLine.header
    for row in rows { body += CSVLine.bytes(row) }
    let digest = body.withUnsafeBytes { SHA256.hash($0) }
    let metadata =
      position.metadata + [
        (Name.id, id), (Name.time, String(time)), (Name.notes, hasNotes ? "yes" : "no"),
        (Name.addressLength, String(layout.output.utf8.count)),
      ]
    return .put(
      layout.commit(first), .bytes(body), digest: digest, type: "text/csv", metadata: metadata, if: .isAbsent)
  }

  /// - Parameter response: to a GET request, or to a HEAD request: then there are no rows.
  init(_ response: S3Response, first: Int64, _ layout: LogLayout) throws {
    let key = layout.commit(first)
    guard let position = Catalog.Position(response), let id = response.metadata(Name.id) else {
      throw DamagedLog(key: key, reason: "it does not have the metadata of a batch")
    }
    self.first = first
    self.position = position
    self.id = id
    time = response.metadata(Name.time).flatMap { Int64($0) } ?? 0
    hasNotes = response.metadata(Name.notes) == "yes"
    rows = try Self.rows(response.body, key)
    if let length = response.metadata(Name.addressLength).flatMap({ Int($0) }) { move(to: layout.output, from: length) }
  }

  /// The output may have been copied to another address since.
  private mutating func move(to output: String, from length: Int) {
    let start = (output + "/").utf8
    guard rows.contains(where: { length != output.utf8.count || !$0.filePath.utf8.starts(with: start) }) else { return }
    for index in rows.indices {
      rows[index].filePath = output + String(decoding: rows[index].filePath.utf8.dropFirst(length), as: UTF8.self)
    }
  }

  private static func rows(_ body: [UInt8], _ key: String) throws -> [StoredRow] {
    guard !body.isEmpty else { return [] }
    guard body.starts(with: CSVLine.header), let rows = CSVLine.rows(body[CSVLine.header.count...]) else {
      throw DamagedLog(key: key, reason: "its text is not the rows of a batch")
    }
    return rows
  }
}

extension Catalog.Position {
  private enum Name {
    static let next = "next"
    static let offset = "last-offset"
    static let time = "last-time"
    static let key = "last-key"
  }

  var metadata: [(String, String)] {
    var all = [(Name.next, String(next))]
    if let last {
      all.append((Name.offset, String(last.offset)))
      if let time = last.timestamp { all.append((Name.time, String(time))) }
      if let key = last.key { all.append((Name.key, key.hex)) }
    }
    return all
  }

  init?(_ response: S3Response) {
    guard let next = response.metadata(Name.next).flatMap({ Int64($0) }), next >= 0 else { return nil }
    let last = response.metadata(Name.offset).flatMap { Int64($0) }.map { offset in
      MessageMark(
        offset: offset, timestamp: response.metadata(Name.time).flatMap { Int64($0) },
        key: response.metadata(Name.key).flatMap { Digest(hex: $0) })
    }
    self.init(next: next, last: last)
  }
}

/// An object of the log is not as a consumer writes it.
struct DamagedLog: ClassifiedError, CustomStringConvertible {
  let key: String
  let reason: String
  var disposition: Disposition { .needsPerson }
  var description: String {
    "\(key) is not an object of the log: \(reason). Restore it from a backup, or remove it if another program wrote it"
  }
}
