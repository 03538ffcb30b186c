import Kafka
import Platform

/// Writes images into the folder as other programs do, and records in the manifest what it wrote.
struct Dropper {
  private let settings: Settings
  private var numbers: Numbers
  private(set) var manifest: Manifest

  init(_ settings: Settings, _ manifest: Manifest, seed: UInt64) {
    self.settings = settings
    self.manifest = manifest
    numbers = Numbers(state: seed)
  }

  mutating func drop(_ name: String, size: Int, label: String, _ way: Edges.Way = .inPlace) throws {
    let content = numbers.bytes(size)
    manifest.note(
      name, label: label,
      Manifest.Version(size: size, digest: content.withUnsafeBytes { SHA256.hash($0) }.hex))
    // The manifest is written before the file exists. So every image that may arrive is known, even if this process
    // dies.
    try manifest.write(settings)
    try write(name, content, way)
  }

  /// A file that must not arrive.
  func dropStranger(_ name: String) throws { try write(name, Array("not an image".utf8), .inPlace) }

  private func write(_ name: String, _ content: [UInt8], _ way: Edges.Way) throws {
    let components = name.utf8.split(separator: UInt8(ascii: "/")).map { String($0)! }
    var folder = try Folder.create(settings.images)
    for component in components.dropLast() { folder = try folder.folder(component, creating: true) }
    let leaf = components[components.count - 1]
    switch way {
    case .inPlace: try write(content, to: folder.file(leaf, .createEmpty), pieces: 1)
    case .slowly: try write(content, to: folder.file(leaf, .createEmpty), pieces: 5)
    case .renamed:
      // A short name of its own: the image's name with a suffix could be too long.
      let temporary = ".\(manifest.images.count).part"
      try write(content, to: folder.file(temporary, .createEmpty), pieces: 1)
      try folder.rename(temporary, to: folder, as: leaf)
    }
  }

  private func write(_ content: [UInt8], to file: File, pieces: Int) throws {
    let size = max(1, (content.count + pieces - 1) / pieces)
    var place = 0
    repeat {
      let piece = content[place..<min(place + size, content.count)]
      try piece.withUnsafeBytes { try file.write($0, at: place) }
      place += piece.count
      if pieces > 1 { Deadline(in: .milliseconds(60)).sleep() }
    } while place < content.count
  }
}

/// Random bytes, which no compression shortens, like those of a photograph. The same seed repeats them (SplitMix64).
struct Numbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var number = state
    number = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
    number = (number ^ (number >> 27)) &* 0x94D0_49BB_1331_11EB
    return number ^ (number >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes { buffer in
      var place = 0
      while place + 8 <= count {
        buffer.storeBytes(of: next(), toByteOffset: place, as: UInt64.self)
        place += 8
      }
      for rest in place..<max(place, count) { buffer[rest] = UInt8(truncatingIfNeeded: next()) }
    }
    return bytes
  }
}
