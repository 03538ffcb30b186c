import Glibc
import TestSupport

@testable import Platform

/// The images of a run whose producer deletes files. It drops them into the input folder and sees which files are
/// deleted. Each of them has to be in all outputs at that moment, byte for byte.
///
/// A copy of each image that can be stored is kept in a folder of its own, as the truth for `verify`.
final class OfferedImages {
  struct Image {
    let name: String
    /// All versions, in order.
    var versions: [Version]
    /// Whether no output can store it, because of its name.
    let isRefused: Bool
    var isDeleted = false
    var last: Version { versions.last! }
  }

  struct Version: Equatable {
    let size: Int
    let digest: Digest
    /// A newer version took its place while its file was there. An output may never have had it.
    var isOptional = false
  }

  static let folder = "images"
  static let copies = "copies"

  private(set) var all: [Image] = []
  /// Those whose files are in the input.
  private(set) var present: Set<Int> = []
  /// Versions, with those that were offered again.
  private(set) var offered = 0
  private(set) var deleted = 0
  private(set) var bytes = 0
  private let scratch: TestFolder
  private let outputs: [String]
  private var numbers: SeededNumbers
  /// Random bytes that the images are cut from.
  private let pool: [UInt8]
  private var nextDrop = ContinuousClock.now

  private static let largest = 500_000
  private static let mostPresent = 500
  private static let mostRefused = 8
  private static let interval = Duration.milliseconds(25)
  /// A folder gets the name of this image when it is stored. Images in that folder cannot be stored.
  private static let obstacle = "stump.jpg"

  init(in scratch: TestFolder, seed: UInt64, outputs: [String]) throws {
    self.scratch = scratch
    self.outputs = outputs
    numbers = SeededNumbers(seed: seed, "images")
    pool = SeededNumbers.bytes(1 << 20, seed: seed)
    for label in Self.labels { try scratch.makeFolder("\(Self.folder)/\(label)") }
    try offer(Self.obstacle)
  }

  private static let labels = ["cat", "dog", "horse/white", "bird"]

  var refused: [Image] { all.filter(\.isRefused) }
  /// Those that have to be in the outputs in the end.
  var storable: [Image] { all.filter { !$0.isRefused } }
  /// The names of storable images whose files are in the input.
  var waiting: [String] { present.filter { !all[$0].isRefused }.map { all[$0].name }.sorted() }

  // MARK: Offering

  /// Offers images at a steady pace, as long as not too many wait.
  func fill() throws {
    let now = ContinuousClock.now
    while nextDrop <= now {
      nextDrop += Self.interval
      if present.count < Self.mostPresent { try offerNext() }
    }
  }

  private func offerNext() throws {
    let number = numbers.number(1...max(1, all.count - 1))
    let canChange = number < all.count && !all[number].isRefused
    switch numbers.number(0...99) {
    case 0...1 where all[0].isDeleted && refused.count < Self.mostRefused:
      try offer("\(Self.obstacle)/\(all.count).jpg", isRefused: true)
    case 2...4 where canChange && all[number].isDeleted: try offerAgain(number)
    case 5...24 where canChange: try replace(number)
    default: try offer("\(Self.labels[all.count % Self.labels.count])/\(all.count).jpg")
    }
  }

  private func offer(_ name: String, isRefused: Bool = false) throws {
    let bytes = nextBytes()
    all.append(Image(name: name, versions: [Self.version(bytes)], isRefused: isRefused))
    try write(all.count - 1, bytes)
  }

  /// A new version. The earlier one may be stored, on its way, or not even read.
  private func replace(_ number: Int) throws {
    let bytes = nextBytes()
    let last = all[number].versions.count - 1
    all[number].versions[last].isOptional = all[number].versions[last].isOptional || !all[number].isDeleted
    all[number].versions.append(Self.version(bytes))
    try write(number, bytes)
  }

  /// The same bytes, after their file was deleted.
  private func offerAgain(_ number: Int) throws {
    guard let bytes = scratch.bytes("\(Self.copies)/\(all[number].name)") else { return }
    try write(number, bytes)
  }

  private func write(_ number: Int, _ bytes: [UInt8]) throws {
    let name = all[number].name
    if !all[number].isRefused { try scratch.write("\(Self.copies)/\(name)", bytes) }
    // Renamed from a hidden name, so that it is complete.
    try scratch.write("\(Self.folder)/.drop", bytes)
    if all[number].isRefused { try scratch.makeFolder("\(Self.folder)/\(Self.obstacle)") }
    try scratch.move("\(Self.folder)/.drop", to: "\(Self.folder)/\(name)")
    all[number].isDeleted = false
    present.insert(number)
    offered += 1
    self.bytes += bytes.count
  }

  private static func version(_ bytes: [UInt8]) -> Version {
    Version(size: bytes.count, digest: bytes.withUnsafeBytes { SHA256.hash($0) })
  }

  /// Bytes that no other image has.
  private func nextBytes() -> [UInt8] {
    let size = nextSize()
    var bytes = Array("\(offered) ".utf8)
    let start = numbers.number(0...(pool.count / 2))
    bytes += pool[start...].prefix(max(1, size - bytes.count))
    return bytes
  }

  /// Mostly small, so that there is much to do, and some that need several segments.
  private func nextSize() -> Int {
    switch numbers.number(0...199) {
    case 0: numbers.number((Self.largest / 2)...Self.largest)
    case 1...5: numbers.number((Self.largest / 10)...(Self.largest / 4))
    case 6...40: numbers.number(10_000...45_000)
    default: numbers.number(16...4_000)
    }
  }

  // MARK: Looking

  /// Finds the files that were deleted since the last call. Returns those that some output does not have.
  func look() throws -> [String] {
    var faults: [String] = []
    for number in present.sorted() where try isGone(all[number].name) {
      present.remove(number)
      all[number].isDeleted = true
      deleted += 1
      faults += outputs.compactMap { unstored(all[number], in: $0).map { "deleted from the input: \($0)" } }
    }
    return faults
  }

  /// Checks that all outputs still have all images whose files were ever deleted and not offered again.
  func lookBack() -> [String] {
    let deleted = all.filter(\.isDeleted)
    return outputs.flatMap { output in deleted.compactMap { unstored($0, in: output) } }
  }

  /// What is wrong with the stored copy of an image; nil if it is as it was offered.
  private func unstored(_ image: Image, in output: String) -> String? {
    guard let bytes = scratch.bytes("\(output)/\(image.name)") else { return "\(image.name) is not in \(output)" }
    guard Self.version(bytes).digest != image.last.digest else { return nil }
    return "\(image.name) has other bytes in \(output), \(bytes.count) of \(image.last.size)"
  }

  /// Whether a file has neither its own name nor the one that it has for a moment while it is deleted. A producer that is
  /// killed at that moment leaves it there, and the next one gives it its name back.
  private func isGone(_ name: String) throws -> Bool {
    let parts = name.split(separator: "/")
    let aside = (parts.dropLast() + [".\(parts[parts.count - 1]).image-pipeline-sent"]).joined(separator: "/")
    for name in [name, aside, name] where try FileStatus.of("\(scratch.path)/\(Self.folder)/\(name)") != nil {
      return false
    }
    return true
  }
}
