import Glibc
import Kafka
import Platform
import Telemetry

/// Tries out what this process may do in a folder, with one small file that is removed at the end.
struct FolderTrial {
  /// nil if the folder does not exist.
  var fileSystem: FileSystemKind?
  /// The nearest existing folder: the one that was asked for, or one above it.
  var there: String
  /// The first failure; nil if a file could be created, written, synced, renamed and removed. If the folder does not
  /// exist, the reason why it cannot be created.
  var failure: SystemError?
  /// The file system's clock minus this machine's, in ms; nil if no file was written.
  var clockDifference: Int64?
  /// True if `a` and `A` are the same file there.
  var foldsNames = false
  var space: DiskSpace?

  /// The prefix of all files that are created. They are hidden, so that neither side takes them for images.
  static let prefix = ".image-pipeline-doctor-"

  /// - Parameters:
  ///   - inner: a subfolder where the file is created and from which it is renamed, as the consumer does; nil for the
  ///     folder itself.
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
      // Nothing above throws any other error.
      trial.failure = error as? SystemError
    }
    return trial
  }

  private mutating func writeIn(_ folder: Folder, from source: Folder) throws {
    let name = TrialFile.name(Self.prefix)
    let renamed = name + "-renamed"
    let file = try source.file(name, .createNew)
    // Only after the file was created: from now on, files of these names are ours.
    defer {
      try? source.remove(name)
      try? folder.remove(renamed)
    }
    let before = WallClock.milliseconds
    try [UInt8](repeating: 0, count: 4_096).withUnsafeBytes { try file.write($0, at: 0) }
    try file.sync()
    clockDifference = Self.clockDifference(try file.status(), madeAfter: before)
    foldsNames = try source.status(name.uppercased()) != nil
    try source.rename(name, to: folder, as: renamed)
    try folder.sync()
    try folder.remove(renamed)
  }

  /// The clock that a new file's time comes from minus this machine's, in ms; 0 if the file's time is between `then`
  /// and now.
  static func clockDifference(_ status: FileStatus, madeAfter then: Int64) -> Int64 {
    let time = status.modified / 1_000_000
    let now = WallClock.milliseconds
    return time < then ? time - then : time > now ? time - now : 0
  }

  /// - Parameters:
  ///   - variable: the variable that names the folder: `PROCESSED_IMAGES_DIR`.
  ///   - keeps: what is stored in the folder: "the images".
  func findings(_ path: String, _ variable: String, keeps: String) -> [Finding] {
    let place = "\(variable)=\(path)"
    guard let fileSystem else {
      guard let failure else {
        return [.ok("folder_writable", "\(place) does not exist: it will be created in \(there)")]
      }
      return [
        .problem(
          "folder_writable",
          failure, before: "\(place) does not exist and cannot be created",
          cure: "mkdir -p \(path), and give it to uid \(HostIdentity.userAndGroup.0); or set \(variable)")
      ]
    }
    if let failure {
      let (uid, gid) = HostIdentity.userAndGroup
      let isOfRights = [EACCES, EPERM].contains(failure.code)
      return [
        isOfRights
          ? .problem(
            "folder_writable",
            "\(place): \(failure.summary)",
            cure:
              "sudo chown -R \(uid):\(gid) \(path), on the host if this is a container (PIPELINE_UID and PIPELINE_GID "
              + "in .env set its user); or set \(variable)")
          : .problem("folder_writable", failure, before: place, cure: "set \(variable) to another folder")
      ]
    }
    var findings: [Finding] = [
      .ok("folder_writable", "\(place): written, synced, renamed and removed a file; \(fileSystem.name)")
    ]
    switch fileSystem {
    case .overlay:
      findings.append(
        .note(
          "folder_lasting",
          "\(place) is in a container's own layer: \(keeps) are lost with the container",
          "mount a folder of the host or a volume there"))
    case .tmpfs:
      findings.append(
        .note(
          "folder_lasting", "\(place) is in memory: \(keeps) are lost at the next start", "set \(variable) to a disk"))
    default: break
    }
    if let clockDifference { findings += ClockCheck.fileSystem(path, difference: clockDifference) }
    return findings
  }
}
