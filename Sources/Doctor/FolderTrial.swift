import Glibc
import Kafka
import Platform
import Telemetry

/// What a folder that is written to lets this process do, tried out with one small file that is gone at the end.
struct FolderTrial {
  /// nil: it is not there.
  var fileSystem: FileSystemKind?
  /// The folder that is there: the one that is meant, or the nearest above it.
  var there: String
  /// What failed first; nil: a file could be made, written, synced, renamed and removed. Where the folder is not there:
  /// why it cannot be made.
  var failure: SystemError?
  /// The file system's clock less this machine's, in ms; nil: it could not be seen.
  var clockDifference: Int64?
  /// `a` and `A` are one file there.
  var foldsNames = false
  var space: DiskSpace?

  /// Begins the names of all files that are made: hidden, so that neither side takes them for images.
  static let prefix = ".image-pipeline-doctor-"

  /// - Parameters:
  ///   - inner: a folder in it where files are made and then renamed from, as the consumer does; nil: in itself.
  static func of(_ path: String, inner: String? = nil) -> FolderTrial {
    let there = AccessRights.nearestThere(path)
    var trial = FolderTrial(there: there, space: DiskSpace.of(there))
    do {
      guard try FileStatus.of(path) != nil else {
        trial.failure =
          try FileStatus.of(there)?.kind == .folder
          ? AccessRights.missing([.write, .enter], on: there) : SystemError("create", path, code: ENOTDIR)
        return trial
      }
      let folder = try Folder.open(path)
      trial.fileSystem = try folder.fileSystem
      var source = folder
      if let inner, try folder.status(inner) != nil { source = try folder.folder(inner, creating: false) }
      try trial.writeIn(folder, from: source)
    } catch {
      // Nothing above throws anything else.
      trial.failure = error as? SystemError
    }
    return trial
  }

  private mutating func writeIn(_ folder: Folder, from source: Folder) throws {
    let name = TrialFile.name(Self.prefix)
    let renamed = name + "-renamed"
    let file = try source.file(name, .createNew)
    // Not before: what is there by then is this one's.
    defer {
      try? source.remove(name)
      try? folder.remove(renamed)
    }
    let before = Clock.wallMilliseconds
    try [UInt8](repeating: 0, count: 4_096).withUnsafeBytes { try file.write($0, at: 0) }
    try file.sync()
    clockDifference = Self.clockDifference(try file.status(), madeAfter: before)
    foldsNames = try source.status(name.uppercased()) != nil
    try source.rename(name, to: folder, as: renamed)
    try folder.sync()
    try folder.remove(renamed)
  }

  /// The clock that a new file's time comes from less this machine's, in ms: 0 where it lies between then and now.
  static func clockDifference(_ status: FileStatus, madeAfter then: Int64) -> Int64 {
    let time = status.modified / 1_000_000
    let now = Clock.wallMilliseconds
    return time < then ? time - then : time > now ? time - now : 0
  }

  /// - Parameters:
  ///   - variable: which names it: `PROCESSED_IMAGES_DIR`.
  ///   - use: what it is written for: "the consumer stores images there".
  func findings(_ path: String, _ variable: String, keeps: String) -> [Finding] {
    let place = "\(variable)=\(path)"
    guard let fileSystem else {
      guard let failure else { return [.ok("\(place) is not there: it will be made in \(there)")] }
      return [
        .problem(
          failure, before: "\(place) is not there and cannot be made",
          cure: "mkdir -p \(path), and give it to uid \(HostIdentity.userAndGroup.0); or set \(variable)")
      ]
    }
    if let failure {
      let (uid, gid) = HostIdentity.userAndGroup
      let isOfRights = [EACCES, EPERM].contains(failure.code)
      return [
        isOfRights
          ? .problem(
            "\(place): \(failure.summary)",
            cure:
              "sudo chown -R \(uid):\(gid) \(path), on the host where this is a container (PIPELINE_UID and PIPELINE_GID "
              + "in .env are whom it runs as); or set \(variable)")
          : .problem(failure, before: place, cure: "set \(variable) to another folder")
      ]
    }
    var findings: [Finding] = [.ok("\(place): written, synced, renamed and removed a file; \(fileSystem.name)")]
    switch fileSystem {
    case .overlay:
      findings.append(
        .note(
          "\(place) lies in a container's own layer: \(keeps) are gone with the container",
          "mount a folder of the host or a volume there"))
    case .tmpfs:
      findings.append(
        .note("\(place) lies in memory: \(keeps) are gone with the next start", "set \(variable) to a disk"))
    default: break
    }
    if let clockDifference { findings += ClockCheck.fileSystem(path, difference: clockDifference) }
    return findings
  }
}
