package import Platform
import SQLite
import Telemetry
package import Wire

/// Compares an input with an output, its images and its rows, by hash.
package final class Verifier {
  private let input: any VerifiedInput
  private let output: any VerifiedOutput
  private let filter: FileFilter
  private let namePrefix: String
  private let stop: StopFlag
  private let report: (Finding) -> Void
  private let index: Index
  private let scratch: TemporaryFolder
  package private(set) var result = Result()

  package enum Fault: String, CaseIterable, Sendable {
    /// In the input, but not in the output or not in the CSV file.
    case missing
    /// The bytes in input, output and CSV file differ.
    case altered
    /// Twice in the rows: two rows for the name, one after the other, have the same hash.
    case duplicated
    /// In the output or the CSV file, but not in the input.
    case extra
  }

  package struct Finding: Sendable {
    package let fault: Fault
    package let name: String
    package let detail: String
  }

  package struct Result: Sendable {
    /// Images with the same SHA-256 in input, output and CSV file.
    package var verified = 0
    package var bytes = 0
    package var faults: [Fault: Int] = [:]
    package var isClean: Bool { faults.values.allSatisfy { $0 == 0 } }
  }

  /// - Parameters:
  ///   - filter: the producer's filter, which defines what counts as an image.
  ///   - namePrefix: the prefix that the producer put before the names. Images whose names begin differently are
  ///     ignored: they are another producer's.
  ///   - stop: checked between two images.
  ///   - report: called with each finding as soon as it is found.
  package init(
    input: any VerifiedInput, output: any VerifiedOutput, filter: FileFilter, namePrefix: String = "",
    stop: StopFlag = StopFlag(),
    report: @escaping (Finding) -> Void
  ) throws {
    self.input = input
    self.output = output
    self.filter = filter
    self.namePrefix = namePrefix
    self.stop = stop
    self.report = report
    scratch = try TemporaryFolder()
    index = try Index(scratch.path + "/verify.sqlite")
  }

  deinit { scratch.remove() }

  /// - Throws: `SystemError` if a folder or the CSV file cannot be read at all; `Interruption`.
  package func run() throws {
    try index.database.transaction {
      try readRows()
      try compareInput()
      try findExtra()
    }
  }

  private func found(_ fault: Fault, _ name: String, _ detail: String) {
    result.faults[fault, default: 0] += 1
    report(Finding(fault: fault, name: name, detail: detail))
  }

  private func goOn() throws { try stop.check("not everything was compared") }

  // MARK: Rows

  private func readRows() throws {
    try output.eachRow { name, digest in
      try goOn()
      if try index.add(name, digest) { found(.duplicated, name, "two rows in the CSV file") }
    }
  }

  // MARK: Input against output

  private func compareInput() throws {
    try input.each(filter) { image in
      try goOn()
      try compare(image.path, image.digest, image.size)
    }
  }

  /// - Parameter path: relative to the input.
  private func compare(_ path: String, _ digest: Digest, _ size: Int) throws {
    let name = namePrefix + path
    var row = try index.visit(name)
    let stored = try output.storedDigest(name)
    if stored != digest {
      guard let other = try alternative(to: name, digest) else {
        return stored == nil
          ? found(.missing, path, "not in the output") : found(.altered, path, "different content in the output")
      }
      row = try index.visit(other)
    }
    guard let row else { return found(.missing, path, "not in the CSV file") }
    guard row.isEmpty || row == digest.hex else { return found(.altered, path, "different hash in the CSV file") }
    result.verified += 1
    result.bytes += size
  }

  /// The name under which `SAME_NAME=keep-both` stored an image whose own name another image has; nil if there is none.
  private func alternative(to name: String, _ digest: Digest) throws -> String? {
    guard let name = try? ImageName(name) else { return nil }
    return try name.alternatives(digest).map(\.value).first { try output.storedDigest($0) == digest }
  }

  // MARK: Extra images

  private func findExtra() throws {
    try output.eachName { name in
      try goOn()
      guard isOurs(name), try !index.isVisited(name) else { return }
      // No consumer stored a system file that has no row: it may be a NAS's thumbnail of an image.
      guard try index.visit(name) != nil || !FileFilter.isOfSystem(name) else { return }
      found(.extra, name, "in the output, not in the input")
    }
    try index.eachUnvisited {
      if isOurs($0) { found(.extra, $0, "in the CSV file, neither in the input nor in the output") }
    }
  }

  // By bytes: to Swift, a slash followed by a combining accent is another character.
  private func isOurs(_ name: String) -> Bool { name.utf8.starts(with: namePrefix.utf8) }

  /// The names, on disk, because a data set may have more of them than memory should hold.
  private final class Index {
    let database: Database
    private let select: Statement
    private let replace: Statement
    private let mark: Statement

    init(_ path: String) throws {
      database = try Database(path: path, busyTimeout: .zero)
      try database.execute(
        "CREATE TABLE names (name TEXT PRIMARY KEY, digest TEXT, visited INTEGER NOT NULL) WITHOUT ROWID")
      select = try database.prepare("SELECT digest, visited FROM names WHERE name = ?")
      replace = try database.prepare("REPLACE INTO names VALUES (?, ?, 0)")
      mark = try database.prepare(
        "INSERT INTO names VALUES (?, NULL, 1) ON CONFLICT (name) DO UPDATE SET visited = 1")
    }

    /// Adds a row of the CSV file. Returns true if the previous row for this name has the same hash.
    func add(_ name: String, _ digest: String) throws -> Bool {
      let before = try select.first(.text(name)) { $0.text(0) }
      try replace.run(.text(name), .text(digest))
      return before == digest
    }

    /// Marks a name as visited. Returns the hash in its last row; nil if it has none.
    func visit(_ name: String) throws -> String? {
      let digest = try select.first(.text(name)) { $0.isNull(0) ? nil : $0.text(0) } ?? nil
      try mark.run(.text(name))
      return digest
    }

    func isVisited(_ name: String) throws -> Bool { try select.first(.text(name)) { $0.integer(1) == 1 } ?? false }

    func eachUnvisited(_ body: (String) -> Void) throws {
      try database.prepare("SELECT name FROM names WHERE visited = 0 ORDER BY name").each { row in
        body(row.text(0))
        return true
      }
    }
  }
}
