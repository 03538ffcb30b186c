import Platform
import Telemetry

/// The file at a CSV path, for one output and all of its consumers. Consumers of another output, and consumers that
/// find another file at the same path, would move each other's rows aside in turn.
///
/// Used within the catalog's transaction, so by one consumer at a time.
final class CSVPlace {
  let path: String
  /// The number by which this output claims the file.
  private let owner: UInt64
  /// nil if there are no other consumers.
  private let slot: ConsumerSlot?
  /// The file that this output has claimed. Users may delete it, and then another file may be at the path.
  private var claimed: (file: File, status: FileStatus)?
  private let log: Log
  private let health: Health
  private var isNameless = false

  /// - Parameter catalogID: the output's identity.
  init(path: String, catalogID: String, slot: ConsumerSlot?, log: Log, health: Health) {
    self.path = path
    self.slot = slot
    self.log = log
    self.health = health
    let hash = Array(catalogID.utf8).withUnsafeBytes { SHA256.hash($0) }
    owner = hash.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Opens the file, or creates it if it does not exist.
  /// - Throws: `CatalogError.csvDivided` if a running consumer finds another file; `CSVInUse`; `CSVNotAFile`;
  ///   `SystemError`.
  func open() throws -> File {
    let file = try openAgreed()
    try lookForName(of: file)
    return file
  }

  /// Reports if the file has lost its name, or has one again. A file that is mounted into a container stays the same
  /// whatever happens outside: once it is deleted or replaced there, nobody sees what is written to it.
  private func lookForName(of file: File) throws {
    let wasNameless = isNameless
    isNameless = try file.linkCount() == 0
    guard isNameless != wasNameless else { return }
    guard isNameless else {
      health.well(.csv)
      return log.info(event: "csv_restored", "the CSV file exists at its path again", ["file": .string(path)])
    }
    let reason =
      "the CSV file \(path) was deleted or replaced outside of this container, and this consumer still writes to the old one. "
      + "Restart it. No row is lost: the catalog has all of them, and they are written to the new file"
    health.trouble(.csv, reason)
    log.error(event: "csv_unlinked", reason)
  }

  private func openAgreed() throws -> File {
    if let claimed, try FileStatus.of(path)?.isSameFile(as: claimed.status) == true {
      return try File.open(path, .create)
    }
    let found = try FileStatus.of(path)
    // Opening a pipe would block, and a device cannot be cut.
    if found?.kind == .other { throw CSVNotAFile(path: path) }
    // Checked before a file is created where there should be none.
    try agree(on: Finding(path: path, file: found, folder: folderStatus()))
    let file = try File.open(path, .create)
    let status = try file.status()
    guard try file.claim(for: owner) else { throw CSVInUse(path: path) }
    try slot?.announce(Finding(path: path, file: status, folder: folderStatus()).text)
    claimed = (file, status)
    return file
  }

  private func folderStatus() throws -> FileStatus? {
    let folder = path.dropLast(path.lastComponent.count)
    return try FileStatus.of(folder.isEmpty ? "." : String(folder))
  }

  private func agree(on mine: Finding) throws {
    guard let slot else { return }
    for other in try slot.others() {
      func contradicts() throws -> Bool {
        guard let theirs = Finding(try other.announced()), theirs.contradicts(mine) else { return false }
        return try other.isTaken()
      }
      guard try contradicts() else { continue }
      // A consumer that has just taken a slot may not have removed its predecessor's announcement yet.
      Deadline(in: .milliseconds(100)).sleep()
      if try contradicts() { throw CatalogError.csvDivided(path: path, slot: other.number) }
    }
  }

  /// What a consumer finds at its CSV path.
  private struct Finding: Equatable {
    private let path: String
    /// Device and inode; empty if the file does not exist.
    private let file: [UInt64]
    private let folder: [UInt64]

    init(path: String, file: FileStatus?, folder: FileStatus?) {
      self.path = path
      self.file = file.map { [$0.device, $0.inode] } ?? []
      self.folder = folder.map { [$0.device, $0.inode] } ?? []
    }

    /// Parses an announcement; nil if the text is not a finding.
    init?(_ text: String) {
      let parts = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return nil }
      func numbers(_ text: Substring) -> [UInt64] { text.split(separator: " ").compactMap { UInt64($0) } }
      (file, folder, path) = (numbers(parts[0]), numbers(parts[1]), String(parts[2]))
    }

    var text: String {
      func line(_ numbers: [UInt64]) -> String { numbers.map { String($0) }.joined(separator: " ") }
      return line(file) + "\n" + line(folder) + "\n" + path
    }

    /// True if both the file and its folder differ for the same path. A difference in one of them is no contradiction:
    /// a file that is mounted by itself is in a different folder in each container, and a file that was re-created in
    /// the same folder is the same for all consumers.
    func contradicts(_ other: Finding) -> Bool {
      path.utf8.elementsEqual(other.path.utf8) && file != other.file && folder != other.folder
    }
  }
}

struct CSVNotAFile: Error, CustomStringConvertible {
  let path: String
  var description: String {
    "CSV_PATH=\(path) is a pipe, a socket or a device. The CSV file is read and truncated as well as appended to: set CSV_PATH to a "
      + "regular file, and follow it with tail -F"
  }
}

struct CSVInUse: Error, CustomStringConvertible {
  let path: String
  var description: String {
    "a consumer of another output writes \(path): each output needs its own CSV file. Set another CSV_PATH, or stop the other "
      + "consumer"
  }
}
