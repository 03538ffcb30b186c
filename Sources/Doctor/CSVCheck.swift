import Glibc
import Kafka
import Output
import Platform
import Telemetry

/// Checks the file that CSV_PATH names now.
struct CSVCheck {
  enum State: Equatable {
    case missing(SystemError?)
    case notAFile(isFolder: Bool)
    case unusable(SystemError)
    /// The file has no name any more: it was deleted on the side that it is mounted from.
    case deleted
    case empty
    /// It begins with our header. It may have rows after it.
    case own(hasRows: Bool)
    case foreign
  }

  var path: String
  var state: State

  static func of(_ path: String) -> CSVCheck {
    do {
      guard let status = try FileStatus.of(path) else {
        let there = AccessRights.nearestThere(path)
        return CSVCheck(path: path, state: .missing(AccessRights.missing([.write, .enter], on: there)))
      }
      guard status.kind == .regular else {
        return CSVCheck(path: path, state: .notAFile(isFolder: status.kind == .folder))
      }
      let file = try File.open(path, .readWrite)
      if try file.linkCount() == 0 { return CSVCheck(path: path, state: .deleted) }
      let start = try Self.start(of: file)
      if start.isEmpty { return CSVCheck(path: path, state: .empty) }
      guard start.starts(with: CSVLine.header) else { return CSVCheck(path: path, state: .foreign) }
      return CSVCheck(path: path, state: .own(hasRows: start.count > CSVLine.header.count))
    } catch {
      // Nothing above throws any other error.
      return CSVCheck(path: path, state: .unusable(error as? SystemError ?? SystemError("open", path)))
    }
  }

  /// The first bytes of the file: the length of the header, and one more to detect rows.
  private static func start(of file: File) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: CSVLine.header.count + 1)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return Array(bytes.prefix(count))
  }

  /// - Parameter isOrphan: true if the output has images but no catalog.
  func finding(isOrphan: Bool) -> Finding {
    let place = "CSV_PATH=\(path)"
    switch state {
    case .missing(nil): return .ok("csv_file", "\(place) does not exist: it will be created")
    case .missing(let failure?):
      return .problem(
        "csv_file",
        failure, before: "\(place) does not exist and cannot be created",
        cure: "make its folder writable, or set CSV_PATH")
    case .notAFile(isFolder: true):
      return .problem(
        "csv_file",
        "\(place) is a folder: Docker creates one if the file to mount is missing",
        cure: "docker compose down; rmdir the folder on the host; make up (which creates the file), or set CSV_PATH")
    case .notAFile: return .problem("csv_file", "\(place) is no regular file", cure: "move it away, or set CSV_PATH")
    case .unusable(let error):
      let (uid, gid) = HostIdentity.userAndGroup
      return .problem(
        "csv_file",
        "\(place): \(error.summary)",
        cure: [EACCES, EPERM].contains(error.code)
          ? "sudo chown \(uid):\(gid) \(path), on the host if this is a container; or set CSV_PATH"
          : error.cure ?? "set CSV_PATH to another file")
    case .deleted:
      return .problem(
        "csv_mount",
        "\(place) was deleted outside while it is mounted here: nobody can read the rows that are written",
        cure: "touch it on the host, then: docker compose up -d --force-recreate consumer")
    case .empty: return .ok("csv_file", "\(place): writable, empty")
    case .own(hasRows: true) where isOrphan:
      return .problem(
        "csv_catalog",
        "\(place) has rows of an output whose catalog is missing: the consumer will refuse to start a new one",
        cure: "image-pipeline repair, with the consumers stopped")
    case .own: return .ok("csv_file", "\(place): writable, with our header")
    case .foreign:
      return .note(
        "csv_origin",
        "\(place) was not written by this pipeline",
        "nothing is lost: the consumer moves it aside (.aside-...) and starts a "
          + "new one; or set CSV_PATH")
    }
  }
}
