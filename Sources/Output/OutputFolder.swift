import Glibc
import Platform
import Wire

/// The folder that images are stored in. Names are walked a component at a time and never through a symbolic link, so
/// that nothing that comes in a message can leave it.
package final class OutputFolder {
  /// As configured: the beginning of every `file_path`.
  package let path: String
  let root: Folder
  /// `.image-pipeline` within it.
  let reserved: Folder
  /// `.image-pipeline/segments`: images of which parts are still to come.
  let segments: Folder
  let segmentWrites = SegmentWrites()
  let fileSystem: FileSystemKind

  /// Whether the file system takes several spellings for one name.
  let foldsNames: Bool

  private let csvPath: String
  private let csvLeaf: String
  private let csvFolder: FileStatus
  private let reservedStatus: FileStatus
  /// Both by `pathKey`.
  private var open: [[UInt8]: Folder] = [:]
  private var touched: [[UInt8]: Folder] = [:]
  /// Open folders cost a descriptor each; a soft limit of 1,024 is common.
  private static let mostOpen = 200

  init(path: String, csvPath: String) throws {
    var trimmed = path
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    self.path = trimmed
    root = try Folder.create(trimmed)
    reserved = try root.folder(ImageName.reserved, creating: true)
    segments = try reserved.folder("segments", creating: true)
    reservedStatus = try reserved.status()
    fileSystem = try root.fileSystem
    foldsNames = try FoldedNames.areIn(root, reserved)
    self.csvPath = csvPath
    let slash = csvPath.utf8.lastIndex(of: UInt8(ascii: "/"))
    csvLeaf = String(csvPath.lastComponent)
    let parent = slash.map { $0 == csvPath.startIndex ? "/" : String(csvPath[..<$0]) } ?? "."
    csvFolder = try Folder.create(parent).status()
  }

  func filePath(_ name: ImageName) -> String { filePathStart + name.value }

  /// What every `file_path` begins with.
  var filePathStart: String { path == "/" ? "/" : path + "/" }

  /// What stands under a name now; nil where nothing does, or no regular file.
  func status(_ name: ImageName) throws -> FileStatus? {
    do {
      guard let folder = try folder(of: name, creating: false),
        let status = try folder.status(name.leaf), status.kind == .regular
      else { return nil }
      return status
    } catch let error as SystemError {
      // A name that this file system does not take: nothing stands under it, and `place` says why nothing can.
      if error.isEnvironmental { throw error }
      return nil
    } catch is ImageName.Refusal { return nil }
  }

  func openFile(_ name: ImageName) throws -> File? {
    try folder(of: name, creating: false)?.file(name.leaf, .read)
  }

  /// Moves a finished file to its name, in the place of what stood there.
  /// - Parameters:
  ///   - status: the file's, where that is known.
  ///   - own: what the catalog has for the name.
  /// - Returns: its status, with the time of change (ctime) that it had before.
  /// - Throws: `ImageName.Refusal` where the name cannot be had here; `SystemError` where the system is at fault.
  func place(
    _ temporary: String, in folder: Folder, as name: ImageName, _ status: FileStatus? = nil,
    over own: @autoclosure () throws -> Catalog.Entry?
  ) throws -> FileStatus {
    try refusing(name) {
      let target = try self.folder(of: name, creating: true)!
      // Most names are free, which the rename itself can see.
      if let status, fileSystem.syncsAsAWhole, !foldsNames, name.leaf != csvLeaf {
        do {
          try folder.rename(temporary, to: target, as: name.leaf, replacing: false)
          touched[target.path.pathKey] = target
          return status
        } catch let error as SystemError where error.code == EEXIST {}
      }
      try check(name, in: target, own)
      // Before: under its name somebody may have taken it away at once.
      guard let status = try folder.status(temporary) else {
        throw SystemError("rename", folder.path + "/" + temporary, code: ENOENT)
      }
      try folder.rename(temporary, to: target, as: name.leaf)
      touched[target.path.pathKey] = target
      return status
    }
  }

  /// Why `place` would refuse a name as things are now; nil where that shows only when it is tried, or not at all.
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
    // By its name, since it may not be there at the moment; and whatever it is called.
    if name.leaf == csvLeaf || foldsNames && FoldedNames.mayBeOne(name.leaf, csvLeaf),
      try target.status().isSameFile(as: csvFolder)
    {
      throw refuse("it is the CSV file's")
    }
    guard let there = try target.status(name.leaf) else { return }
    if there.kind == .folder { throw refuse("a folder stands there") }
    if let csv = (try? FileStatus.of(csvPath)) ?? nil, csv.isSameFile(as: there) {
      throw refuse("it is the CSV file's")
    }
    guard foldsNames, try own()?.isStampOf(there) != true,
      case .other(let spelling) = FoldedNames.spelling(of: name.leaf, among: try target.names())
    else { return }
    throw refuse(
      "\(spelling.map { "\"\($0)\"" } ?? "a file of another name") stands there, and this file system takes both for one"
    )
  }

  /// Tells the errors that a name is at fault for from the system's.
  private func refusing<T>(_ name: ImageName, _ body: () throws -> T) throws -> T {
    func refuse(_ reason: String) -> ImageName.Refusal { ImageName.Refusal(name: name.value, reason: reason) }
    do { return try body() } catch let error as SystemError where !error.isEnvironmental || isMounted(error) {
      // One of them may have been removed since it was opened: the next attempt looks anew.
      open = [:]
      switch error.code {
      case ENOTDIR, EEXIST: throw refuse("a file or a link stands where a folder is needed")
      case ELOOP: throw refuse("a symbolic link is on its way")
      case ENAMETOOLONG, EINVAL, EILSEQ: throw refuse("this file system takes no such name")
      case EISDIR: throw refuse("a folder stands there")
      case EXDEV, EROFS: throw refuse(Self.mountPoint)
      case EBUSY: throw refuse("it is a mount point, or another program holds the file that stands there")
      case EMLINK: throw refuse("this file system allows no more folders in the one where it belongs")
      default: throw error
      }
    }
  }

  private static let mountPoint =
    "a mount point or a subvolume of its own is on its way, into which no file can be renamed"

  /// A disk that is read-only may be writable again; something read-only that is mounted in an output stays as it is.
  private func isMounted(_ error: SystemError) -> Bool { error.code == EROFS && !root.isReadOnly }

  /// Makes the renames since the last call durable.
  func syncTouched() throws { try takeTouched()() }

  /// What makes the renames since the last call durable, on whatever thread.
  func takeTouched() -> @Sendable () throws -> Void {
    let (folders, root, together) = (Array(touched.values), root, touched.count > 8 && fileSystem.syncsAsAWhole)
    touched = [:]
    open = [:]
    return {
      if together { return try root.syncFileSystem() }
      for folder in folders { try folder.sync() }
    }
  }

  /// What a file or a link is where a folder should be.
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
      // Under whatever spelling, or mounted there once more.
      let status = try folder.status()
      if status.isSameFile(as: reservedStatus) {
        throw ImageName.Refusal(name: name.value, reason: "\(ImageName.reserved) belongs to the consumer")
      }
      // Before folders are made there for nothing.
      if creating, status.device != reservedStatus.device {
        throw ImageName.Refusal(name: name.value, reason: Self.mountPoint)
      }
      open[way] = folder
    }
    return folder
  }
}
