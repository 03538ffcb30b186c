import Kafka
import Platform
import Telemetry

/// The room of a file system against what is to come. Pure.
struct DiskCheck {
  /// As it is said: `PROCESSED_IMAGES_DIR=/data/out`.
  var place: String
  var space: DiskSpace
  /// What is known to come: images that are in the topic already.
  var bytesToCome = 0
  var filesToCome = 0

  /// Below this what is written at a time may not fit any more, in bytes: a batch, SQLite's log.
  var least = 64 << 20

  /// Below this it is time to think of it, in bytes; and in hundredths of the whole.
  private static let low = 1 << 30
  private static let lowHundredths = 5
  private static let lowFiles = 1_000

  func findings() -> [Finding] {
    let cure = "free some space there (df -h), or choose another folder"
    let free = "\(place): \(Quantity.bytes(space.free)) free"
    var findings: [Finding] = []
    if space.free < least {
      findings.append(.problem(free, cure: cure))
    } else if space.free < bytesToCome + least {
      findings.append(
        .problem("\(free), and about \(Quantity.bytes(bytesToCome)) of images are waiting in the topic", cure: cure))
    } else if space.free < Self.low || space.free / max(1, space.size / 100) < Self.lowHundredths {
      findings.append(.note("\(free) of \(Quantity.bytes(space.size))", cure))
    } else {
      findings.append(.ok(free))
    }
    if let files = space.freeFiles, files < filesToCome + Self.lowFiles {
      let text = "\(place): room for \(Quantity.count(files, "more file")) (inodes)"
      let cure = "remove files there (df -i), or choose another file system"
      findings.append(files < max(100, filesToCome) ? .problem(text, cure: cure) : .note(text, cure))
    }
    return findings
  }
}
