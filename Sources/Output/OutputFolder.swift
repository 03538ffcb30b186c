import Glibc
import Platform
import Wire

/// The folder that images are stored in. Names are resolved one component at a time and never through a symbolic link,
/// so no name in a message can lead outside of the folder.
package final class OutputFolder {
  /// The path as configured, without trailing slashes: the beginning of every `file_path`.
  package let path: String
  let root: Folder
  /// `.image-pipeline` within the output.
  let reserved: Folder
  /// `.image-pipeline/segments`: images of which some parts have not arrived yet.
  let segments: SegmentFiles
  let fileSystem: FileSystemKind
  /// Of the whole file system, for files that have no names yet; only where `fileSystem.syncsAsAWhole`.
  let groupSync: GroupSync

  /// Whether the file system treats several spellings as one name.
  let foldsNames: Bool

  private let csvPath: String
  private let csvLeaf: String
  private let csvFolder: FileStatus
  private let reservedStatus: FileStatus
  /// Open folders, and folders with renames that are not synced yet; both by `pathKey`.
  private var open: [[UInt8]: Folder] = [:]
  private var touched: [[UInt8]: Folder] = [:]
  /// A second descriptor of the output: the kernel reports a lost page once to each.
  private let renames: Folder
  /// Whether files without names have got their first ones. Without a journal, as in ext2, syncing the folder would not
  /// write that they have one, and the next check of the file system would remove it.
  private var hasLinked = false
  /// Each open folder costs a descriptor, and a soft limit of 1,024 is common.
  private static let mostOpen = 200

  init(path: String, csvPath: String) throws {
    var trimmed = path
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    self.path = trimmed
    root = try Folder.create(trimmed)
    reserved = try root.folder(ImageName.reserved, creating: true)
    segments = SegmentFiles(try reserved.folder(SegmentFiles.folderName, creating: true))
    reservedStatus = try reserved.status()
    fileSystem = try root.fileSystem
    groupSync = GroupSync { [root] in try root.syncFileSystem() }
    renames = try Folder.open(trimmed)
    foldsNames = try FoldedNames.areIn(root, reserved)
    self.csvPath = csvPath
    let slash = csvPath.utf8.lastIndex(of: UInt8(ascii: "/"))
    csvLeaf = String(csvPath.lastComponent)
    let parent = slash.map { $0 == csvPath.startIndex ? "/" : String(csvPath[..<$0]) } ?? "."
    csvFolder = try Folder.create(parent).status()
  }

  func filePath(_ name: ImageName) -> String { filePathStart + name.value }

  /// The beginning of every `file_path`.
  var filePathStart: String { Self.filePathStart(path) }

  static func filePathStart(_ path: String) -> String { path == "/" ? "/" : path + "/" }

  /// The status of the file under a name; nil if there is none, or if it is not a regular file.
  func status(_ name: ImageName) throws -> FileStatus? {
    do {
      guard let folder = try folder(of: name, creating: false),
        let status = try folder.status(name.leaf), status.kind == .regular
      else { return nil }
      return status
    } catch let error as SystemError {
      // The file system does not accept this name, so nothing is stored under it. `place` reports the reason.
      if error.disposition.mayPass { throw error }
      return nil
    } catch is ImageName.Refusal { return nil }
  }

  /// Has the next sync make the name of a file durable that is there: an attempt that failed may not have synced it.
  func touch(_ name: ImageName) throws {
    guard let folder = try folder(of: name, creating: false) else { return }
    touched[folder.path.pathKey] = folder
    if fileSystem.linksSyncedFiles { hasLinked = true }
  }

  func openFile(_ name: ImageName) throws -> File? {
    try folder(of: name, creating: false)?.file(name.leaf, .read)
  }

  /// Renames a finished file to its name, replacing a file that has the name.
  /// - Parameter own: the catalog's entry for the name.
  /// - Returns: the file's status, with the time of change (ctime) from before the rename.
  /// - Throws: `ImageName.Refusal` if the name cannot be used here; `SystemError` if the system is at fault.
  func place(
    _ file: TemporaryFile, as name: ImageName, over own: @autoclosure () throws -> Catalog.Entry?
  ) throws -> FileStatus {
    try refusing(name) {
      let target = try self.folder(of: name, creating: true)!
      if file.unnamed != nil { hasLinked = true }
      // Most names are free, and the rename itself can detect that.
      if let status = file.status, fileSystem.syncsAsAWhole, !foldsNames, name.leaf != csvLeaf {
        do {
          try file.rename(to: target, as: name.leaf)
          touched[target.path.pathKey] = target
          return status
        } catch let error as SystemError where error.code == EEXIST {}
      }
      try check(name, in: target, own)
      let status = try file.replace(name.leaf, in: target)
      touched[target.path.pathKey] = target
      return status
    }
  }

  /// Why `place` would refuse a name at the moment; nil if it would not, or if only an attempt shows it.
  func refusal(of name: ImageName, over own: @autoclosure () throws -> Catalog.Entry?) throws -> ImageName.Refusal? {
    do {
      try refusing(name) {
        if let target = try folder(of: name, creating: false, orElse: .refuse) { try check(name, in: target, own) }
      }
      return nil
    } catch let refusal as ImageName.Refusal { return refusal }
  }

  private func check(_ name: ImageName, in target: Folder, _ own: () throws -> Catalog.Entry?) throws {
    func refuse(_ reason: String) -> ImageName.Refusal { ImageName.Refusal(name: name.value, reason: reason) }
    // The CSV file is recognised by its name here, because it may not exist at the moment, and by its inode below,
    // because it may have another name.
    if name.leaf == csvLeaf || foldsNames && FoldedNames.mayBeOne(name.leaf, csvLeaf),
      try target.status().isSameFile(as: csvFolder)
    {
      throw refuse("it is the name of the CSV file")
    }
    guard let there = try target.status(name.leaf) else { return }
    if there.kind == .folder { throw refuse("a folder with that name exists") }
    if let csv = (try? FileStatus.of(csvPath)) ?? nil, csv.isSameFile(as: there) {
      throw refuse("it is the name of the CSV file")
    }
    guard foldsNames, try own()?.isStampOf(there) != true,
      case .other(let spelling) = FoldedNames.spelling(of: name.leaf, among: try target.names())
    else { return }
    throw refuse(
      "\(spelling.map { "\"\($0)\"" } ?? "a file with another name") exists, and the file system treats the two names as the same"
    )
  }

  /// Turns errors that the name causes into refusals, and leaves those that the system causes as they are.
  private func refusing<T>(_ name: ImageName, _ body: () throws -> T) throws -> T {
    func refuse(_ reason: String) -> ImageName.Refusal { ImageName.Refusal(name: name.value, reason: reason) }
    do { return try body() } catch let error as SystemError where !error.disposition.mayPass || isMounted(error) {
      // One of the folders may have been removed since it was opened: the next attempt opens them again.
      open = [:]
      switch error.code {
      case ENOTDIR, EEXIST: throw refuse("a file or link exists where a folder is needed")
      case ELOOP: throw refuse("its path contains a symbolic link")
      case ENAMETOOLONG, EINVAL, EILSEQ: throw refuse("the file system does not allow this name")
      case EISDIR: throw refuse("a folder with that name exists")
      case EXDEV, EROFS: throw refuse(Self.mountPoint)
      case EBUSY: throw refuse("it is a mount point, or another program uses the existing file")
      case EMLINK: throw refuse("the file system allows no more folders in its parent folder")
      default: throw error
      }
    }
  }

  private static let mountPoint =
    "its path contains a mount point or a separate subvolume, into which no file can be renamed"

  /// A read-only disk may become writable again; a read-only mount inside an output stays read-only.
  private func isMounted(_ error: SystemError) -> Bool { error.code == EROFS && !root.isReadOnly }

  /// Makes the renames since the last call durable.
  func syncTouched() throws { try takeTouched()() }

  /// Returns a closure that makes the renames since the last call durable, on any thread.
  func takeTouched() -> @Sendable () throws -> Void {
    let together = hasLinked || touched.count > 8 && fileSystem.syncsAsAWhole
    let folders = Array(touched.values)
    touched = [:]
    open = [:]
    hasLinked = false
    return { [renames] in
      if together { return try renames.syncFileSystem() }
      for folder in folders { try folder.sync() }
    }
  }

  /// How to treat a file or a link that has the name of a folder.
  private enum Stranger { case nothing, refuse }

  private func folder(of name: ImageName, creating: Bool, orElse stranger: Stranger = .nothing) throws -> Folder? {
    var folder = root
    var way: [UInt8] = []
    for component in name.folders {
      way += component.pathKey + [UInt8(ascii: "/")]
      if let known = open[way] {
        folder = known
        continue
      }
      if open.count >= Self.mostOpen { try syncTouched() }
      if !creating {
        guard let status = try folder.status(component), status.kind == .folder || stranger == .refuse else {
          return nil
        }
      }
      folder = try folder.folder(component, creating: creating)
      // It may be the reserved folder, under another spelling or mounted a second time.
      let status = try folder.status()
      if status.isSameFile(as: reservedStatus) {
        throw ImageName.Refusal(name: name.value, reason: "\(ImageName.reserved) belongs to the consumer")
      }
      // Checked before folders are created there for nothing.
      if creating, status.device != reservedStatus.device {
        throw ImageName.Refusal(name: name.value, reason: Self.mountPoint)
      }
      open[way] = folder
    }
    return folder
  }
}
