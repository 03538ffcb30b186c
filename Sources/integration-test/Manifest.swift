import FoundationEssentials
import Platform

/// The dropped images: the reference for all comparisons. It is computed from the bytes as they were generated, not
/// from the files in the folder.
struct Manifest: Codable {
  struct Image: Codable {
    let name: String
    let label: String
    /// The versions in order. Each must have its row.
    var versions: [Version]
  }

  struct Version: Codable, Hashable {
    let size: Int
    /// SHA-256, in hexadecimal digits.
    let digest: String
  }

  var images: [Image] = []

  var versionCount: Int { images.reduce(0) { $0 + $1.versions.count } }
  var bytes: Int { images.reduce(0) { $0 + $1.versions.reduce(0) { $0 + $1.size } } }

  mutating func note(_ name: String, label: String, _ version: Version) {
    if let index = images.firstIndex(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      images[index].versions.append(version)
    } else {
      images.append(Image(name: name, label: label, versions: [version]))
    }
  }

  // MARK: Kept for the next part of the test

  static func read(_ settings: Settings) throws -> Manifest {
    let path = settings.notes + "/manifest.json"
    guard try FileStatus.of(path) != nil else {
      throw Failure("there is no \(path): run `integration-test carry` first")
    }
    return try JSONDecoder().decode(Manifest.self, from: Data(content(of: path)))
  }

  func write(_ settings: Settings) throws {
    let file = try Folder.create(settings.notes).file("manifest.json", .createEmpty)
    try JSONEncoder().encode(self).withUnsafeBytes { try file.write($0, at: 0) }
  }
}

/// All bytes of a file.
func content(of path: String) throws -> [UInt8] {
  let file = try File.open(path, .read)
  var bytes = [UInt8](repeating: 0, count: try file.status().size)
  let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
  return Array(bytes.prefix(count))
}
