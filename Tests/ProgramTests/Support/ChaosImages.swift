import Glibc
import TestSupport

@testable import Platform

/// The images of a run. Drops them into the input folder and knows what must be stored in the end.
final class ChaosImages {
  struct Image {
    let name: String
    /// All versions in order; each has its own row.
    var versions: [Version]
    var last: Version { versions.last! }
  }

  struct Version {
    let size: Int
    let digest: Digest
    var isStored = false
  }

  private struct SlowFile {
    let file: File
    let rest: [UInt8]
    /// The time at which its writer continues.
    let due: ContinuousClock.Instant
  }

  /// The size of images, and how many may wait.
  struct Amount {
    var largest: Int
    /// Dropped and not yet stored.
    var mostWaiting: Int
    var mostWaitingBytes: Int
  }

  static let folder = "images"

  private(set) var all: [Image] = []
  /// Some files are written under their own names in two steps with a pause.
  var hasSlowWriters = false
  /// Files that slow writers have begun.
  private var unfinished: [SlowFile] = []
  private let scratch: TestFolder
  private let amount: Amount
  private var numbers: SeededNumbers
  /// Random bytes that the images are cut from.
  private let pool: [UInt8]
  private var byName: [String: Int] = [:]
  private var waitingBytes = 0
  private(set) var waiting = 0
  private(set) var dropped = 0
  private(set) var bytes = 0
  /// The images that were stored last.
  private var recent: [Int] = []
  /// The read position in the CSV file, the partial row before it, and the last bytes read.
  private var place = 0
  private var tail: [UInt8] = []
  private var lastRead: [UInt8] = []

  init(in scratch: TestFolder, seed: UInt64, _ amount: Amount) throws {
    self.scratch = scratch
    self.amount = amount
    numbers = SeededNumbers(seed: seed, "images")
    pool = SeededNumbers.bytes(1 << 20, seed: seed)
    for label in Self.labels { try scratch.makeFolder("\(Self.folder)/\(label)") }
  }

  private static let labels = ["cat", "dog", "horse/white", "bird"]

  /// Drops images until enough of them wait, a few per call.
  func fill() throws {
    let now = ContinuousClock.now
    for file in unfinished where file.due <= now { try scratch.append(file.rest, to: file.file) }
    unfinished.removeAll { $0.due <= now }
    for _ in 0..<4 where waiting < amount.mostWaiting && waitingBytes < amount.mostWaitingBytes { try drop() }
  }

  /// Completes the files of all slow writers.
  func finishWriting() throws {
    for file in unfinished { try scratch.append(file.rest, to: file.file) }
    unfinished = []
  }

  private func drop() throws {
    // A new version follows only after the one before has its row, but soon, when somebody may still be about to store
    // that one.
    if numbers.percent(20), let number = recent.randomElement(using: &numbers), all[number].last.isStored {
      all[number].versions.append(try write(all[number].name, size: numbers.number(16...4_000)))
    } else {
      let number = all.count
      let name = number % 11 == 0 ? "\(number).jpg" : "\(Self.labels[number % Self.labels.count])/\(number).jpg"
      byName[name] = number
      all.append(Image(name: name, versions: [try write(name, size: nextSize(number))]))
    }
  }

  private func write(_ name: String, size: Int) throws -> Version {
    var bytes = Array("\(dropped) ".utf8)
    let start = numbers.number(0...(pool.count / 2))
    while bytes.count < size { bytes += pool[start...].prefix(size - bytes.count) }
    bytes = Array(bytes.prefix(size))
    if hasSlowWriters, numbers.percent(30) {
      try writeSlowly(name, bytes)
    } else {
      // Renamed from a hidden name, so that it is complete.
      try scratch.write("\(Self.folder)/.drop", bytes)
      try scratch.move("\(Self.folder)/.drop", to: "\(Self.folder)/\(name)")
    }
    dropped += 1
    waiting += 1
    waitingBytes += size
    self.bytes += size
    return Version(size: size, digest: bytes.withUnsafeBytes { SHA256.hash($0) })
  }

  /// Writes a part and leaves the file open for a while.
  private func writeSlowly(_ name: String, _ bytes: [UInt8]) throws {
    let part = numbers.number(0...bytes.count)
    // Overwriting an earlier version would briefly mix both.
    unlink(scratch.path + "/\(Self.folder)/\(name)")
    let file = try File.open(scratch.path + "/\(Self.folder)/\(name)", .createNew)
    try scratch.append(Array(bytes[..<part]), to: file)
    let due = ContinuousClock.now + .milliseconds(numbers.number(1...1_500))
    unfinished.append(SlowFile(file: file, rest: Array(bytes[part...]), due: due))
  }

  /// The names without a row, for people.
  var missing: [String] { all.filter { !$0.last.isStored }.map(\.name) }

  /// Mostly small, so that there is much to do, and some that need many segments.
  private func nextSize(_ number: Int) -> Int {
    switch number {
    case 0: return 1
    case 1: return amount.largest
    default: break
    }
    switch numbers.number(0...199) {
    case 0: return numbers.number((amount.largest / 2)...amount.largest)
    case 1...5: return numbers.number((amount.largest / 10)...(amount.largest / 4))
    case 6...40: return numbers.number(10_000...60_000)
    default: return numbers.number(1...4_000)
    }
  }

  // MARK: What is stored

  /// Reads the rows added to the CSV file since the last call.
  func look() {
    guard let file = try? File.open(scratch.path + "/" + TestFolder.csv, .read), let size = try? file.status().size
    else {
      return
    }
    // An uncommitted batch was cut off and others' rows written in its place. Read everything again.
    if size < place || bytes(of: file, place - lastRead.count, lastRead.count) != lastRead {
      (place, tail, lastRead) = (0, [], [])
    }
    guard size > place else { return }
    let new = bytes(of: file, place, size - place)
    place += new.count
    lastRead = (lastRead + new).suffix(300)
    let text = tail + new
    let end = text.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    tail = Array(text[end...])
    for row in String(decoding: text[..<end], as: UTF8.self).split(separator: "\n") { note(row) }
  }

  private func bytes(of file: File, _ place: Int, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: place) }) ?? 0
    return Array(bytes.prefix(count))
  }

  /// Counts the stored images again: a row that was seen may have been cut off.
  func recount() {
    for number in all.indices { all[number].versions[all[number].versions.count - 1].isStored = false }
    (waiting, waitingBytes) = (all.count, all.reduce(0) { $0 + $1.last.size })
    (place, tail, lastRead) = (0, [], [])
    look()
  }

  private func note(_ row: Substring) {
    let fields = row.split(separator: ",", maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4, fields[0].hasPrefix(TestFolder.output + "/"),
      let number = byName[String(fields[0].dropFirst(TestFolder.output.count + 1))], !all[number].last.isStored,
      all[number].last.digest.hex == fields[2]
    else { return }
    all[number].versions[all[number].versions.count - 1].isStored = true
    waiting -= 1
    waitingBytes -= all[number].last.size
    recent.append(number)
    if recent.count > 20 { recent.removeFirst() }
  }
}
