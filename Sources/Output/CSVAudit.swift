import Platform

/// Compares the CSV file with the catalog's rows, record by record. The file is read once, and a few hundred records are
/// held at a time, whatever its size.
struct CSVAudit {
  enum Fault {
    /// The catalog has the row, and the file does not.
    case missing
    /// The file has a row of the catalog once more.
    case doubled
    /// The file has another text in the place of the row.
    case altered
    /// The file has a row that the catalog does not have.
    case unknown
  }

  private var records: CSVRecords?
  private let report: (Fault, _ path: String) throws -> Void
  private let isKnown: ([String]) throws -> Bool
  private let isBeingStored: (StoredRow) throws -> Bool
  /// Rows of the catalog and records of the file that have yet to be matched.
  private var expected: [[UInt8]] = []
  private var found: [CSVRecords.Record] = []
  private let length: Int
  private(set) var matched = 0
  private var differences = 0

  /// How far apart a row and its record may be. After an insertion or removal of more rows in one place, the rest counts
  /// as altered.
  private static let window = 256
  /// Differences after which the rest is not compared: the file is another one, or sorted.
  private static let mostDifferences = 10_000

  /// - Parameters:
  ///   - file: nil if there is none. Then it lacks all rows.
  ///   - length: the bytes of the file that the catalog vouches for. A consumer may be adding more.
  ///   - isKnown: whether the catalog has the row with these fields.
  ///   - isBeingStored: whether the catalog may be going to have a row that it does not have.
  ///   - report: receives a fault, and the row's `file_path`.
  init(
    _ file: File?, length: Int, isKnown: @escaping ([String]) throws -> Bool,
    isBeingStored: @escaping (StoredRow) throws -> Bool,
    report: @escaping (Fault, _ path: String) throws -> Void
  ) {
    records = file.map { CSVRecords($0) }
    self.length = length
    self.isKnown = isKnown
    self.isBeingStored = isBeingStored
    self.report = report
  }

  /// Compares the file's first record with the header.
  mutating func begin() throws {
    // A file that is missing or empty lacks its rows. Its header need not be named too.
    guard try nextRecord(0) != nil else { return }
    expected.append(CSVLine.header)
    try match(atLeast: 1)
    matched = 0
  }

  /// Whether too many rows differ for the rest to be worth comparing.
  var isHopeless: Bool { differences >= Self.mostDifferences }

  /// Takes the catalog's next row.
  mutating func take(_ row: StoredRow) throws {
    expected.append(CSVLine.bytes(row))
    if expected.count > Self.window { try match(atLeast: expected.count - Self.window) }
  }

  /// To be called after the last row.
  mutating func end() throws {
    try match(atLeast: expected.count)
    while let record = try nextRecord(0), !isHopeless {
      found.removeFirst()
      try record.start < length ? unexpected(record) : added(record)
    }
  }

  /// The record that is `number` records after the first one without a match; nil behind the end of the file.
  private mutating func nextRecord(_ number: Int) throws -> CSVRecords.Record? {
    while found.count <= number {
      guard let record = try records?.next() else { return nil }
      found.append(record)
    }
    return found[number]
  }

  private mutating func match(atLeast count: Int) throws {
    var done = 0
    while done < count, !isHopeless, let row = expected.first {
      if try nextRecord(0)?.bytes == row {
        found.removeFirst()
        expected.removeFirst()
        matched += 1
        done += 1
      } else {
        done += try settleDifference(row)
      }
    }
  }

  /// Finds out what the first difference is: the nearest match decides.
  /// - Returns: how many of the rows are dealt with.
  private mutating func settleDifference(_ row: [UInt8]) throws -> Int {
    for distance in 1...Self.window {
      if distance < expected.count, try nextRecord(0)?.bytes == expected[distance] {
        for missing in expected[..<distance] { try differs(.missing, missing) }
        expected.removeFirst(distance)
        return distance
      }
      if try nextRecord(distance)?.bytes == row {
        for _ in 0..<distance { try unexpected(found.removeFirst()) }
        return 0
      }
    }
    expected.removeFirst()
    // Another record is in the row's place, unless the file ends here.
    let isReplaced = try nextRecord(0) != nil
    if isReplaced { found.removeFirst() }
    try differs(isReplaced ? .altered : .missing, row)
    return 1
  }

  private mutating func unexpected(_ record: CSVRecords.Record) throws {
    try differs(try isKnown(Self.fields(of: record.bytes)) ? .doubled : .unknown, record.bytes)
  }

  /// Deals with a record behind those that the catalog vouches for. The last one may be incomplete.
  private mutating func added(_ record: CSVRecords.Record) throws {
    guard record.bytes.last == UInt8(ascii: "\n") else { return }
    let fields = Self.fields(of: record.bytes)
    if let row = CSVLine.row(fields), try isBeingStored(row) { return }
    try unexpected(record)
  }

  private mutating func differs(_ fault: Fault, _ record: [UInt8]) throws {
    differences += 1
    try report(fault, Self.fields(of: record).first ?? "")
  }

  private static func fields(of record: [UInt8]) -> [String] {
    var (parser, found) = (CSVParser(), [String]())
    (record + [UInt8(ascii: "\n")]).withUnsafeBytes { bytes in parser.read(bytes) { if found.isEmpty { found = $0 } } }
    return found
  }
}

/// The records of a CSV file, one at a time. A line end within quotes is part of its record.
struct CSVRecords {
  struct Record {
    /// With the line end.
    let bytes: [UInt8]
    /// The offset of its first byte in the file.
    let start: Int
  }

  private let file: File
  /// Bytes of the file that are in `piece`, or were.
  private var read = 0
  private var piece: ArraySlice<UInt8> = []
  private var start = 0

  private static let pieceSize = 256 << 10
  /// Longer records are cut: they are nobody's rows.
  private static let longest = 1 << 20

  init(_ file: File) { self.file = file }

  /// nil at the end of the file.
  mutating func next() throws -> Record? {
    var (bytes, isQuoted) = ([UInt8](), false)
    while try fill() {
      let byte = piece.removeFirst()
      bytes.append(byte)
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if byte == UInt8(ascii: "\n"), !isQuoted || bytes.count > Self.longest { break }
    }
    defer { start += bytes.count }
    return bytes.isEmpty ? nil : Record(bytes: bytes, start: start)
  }

  /// Reads the next piece if the last one is used up. Returns false at the end of the file.
  private mutating func fill() throws -> Bool {
    guard piece.isEmpty else { return true }
    var buffer = [UInt8](repeating: 0, count: Self.pieceSize)
    let count = try buffer.withUnsafeMutableBytes { [file, read] in try file.read(into: $0, at: read) }
    read += count
    piece = buffer[..<count]
    return count > 0
  }
}
