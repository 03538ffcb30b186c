import Kafka
import Platform
import Telemetry

/// Compares the free space of a file system with the data to come. Pure.
struct DiskCheck {
  /// The name used in the findings: `disk of the output`.
  var place: String
  var space: DiskSpace
  /// The size of the images that are in the topic already, once they are stored.
  var bytesToCome = 0
  var filesToCome = 0

  /// The least free space, in bytes. Below it, a single write may not fit any more: a batch, or SQLite's log.
  var least = 64 << 20

  /// Below these limits the finding is a note: free bytes, free percent of the whole, and free files beyond those to
  /// come.
  private static let low = 1 << 30
  private static let lowHundredths = 5
  private static let lowFiles = 1_000

  func findings() -> [Finding] {
    let cure = "free some space there (df -h), or choose another folder"
    let free = "\(place): \(Quantity.bytes(space.free)) free"
    var findings: [Finding] = []
    if space.free < least {
      findings.append(.problem("disk_space", free, cure: cure))
    } else if space.free < bytesToCome + least {
      findings.append(
        .problem(
          "disk_space", "\(free), and about \(Quantity.bytes(bytesToCome)) of images are waiting in the topic",
          cure: cure))
    } else if space.free < Self.low || space.free / max(1, space.size / 100) < Self.lowHundredths {
      findings.append(.note("disk_space", "\(free) of \(Quantity.bytes(space.size))", cure))
    } else {
      findings.append(.ok("disk_space", free))
    }
    if let files = space.freeFiles, files < filesToCome + Self.lowFiles {
      let text = "\(place): room for \(Quantity.count(files, "more file")) (inodes)"
      let cure = "remove files there (df -i), or choose another file system"
      findings.append(
        files < max(100, filesToCome) ? .problem("disk_files", text, cure: cure) : .note("disk_files", text, cure))
    }
    return findings
  }
}
