import Configuration
import Glibc
import Platform
import Synchronization

struct AfterSent: Sendable {
  let action: AfterSentAction
  let input: String
  /// Where `move` takes files, under their names.
  let sentFolder: String
  private let failures = RecentFailures()

  enum Outcome: Equatable {
    /// The file is where it was.
    case stays
    /// It is out of the input folder.
    case gone
    /// It is not what was sent any more: it is to be looked at again.
    case again
    /// A program has it open for writing, or may have. It is to be tried again later.
    case unfinished(UnfinishedFile)
  }

  /// - Throws: `SystemError`, or `MoveRefusal` where files could not be moved as is asked.
  func check() throws {
    guard action == .move else { return }
    let (target, source) = (try Folder.create(sentFolder).status(), try Folder.open(input).status())
    guard target.device == source.device else {
      throw MoveRefusal(
        description: "SENT_DIR=\(sentFolder) is on another file system than the images: files are "
          + "renamed into it, so set it to a folder on theirs")
    }
    guard target.inode != source.inode else {
      throw MoveRefusal(description: "SENT_DIR=\(sentFolder) is the folder of the images itself: set it to another one")
    }
  }

  /// Moves or deletes the version of a file that was sent, and no other. Its caller has seen it unchanged for `SETTLE_MS`.
  ///
  /// 1. The file is what was sent, and no program has it open for writing.
  /// 2. It is set aside, under a name that no writer uses. A newer version may be renamed over its own name meanwhile.
  /// 3. It is looked at again: a writer may have opened it between 1 and 2.
  ///
  /// - Parameter looks: how often it was found unchanged before, `SETTLE_MS` apart.
  func perform(_ path: String, _ stamp: FileStamp, looks: Int = 0) throws -> Outcome {
    guard action != .keep, try FileStatus.of(input + "/" + path) != nil else { return .stays }
    let (folder, leaf) = try split(path, below: input, creating: false)
    // The link before what it leads to: it is the link that is moved or deleted.
    let before = try folder.status(leaf)
    guard let before, let status = try folder.status(leaf, followingLinks: true), FileStamp(status) == stamp else {
      return .again
    }
    do throws(SystemError) {
      if let reason = Self.obstacle(try File.open(input + "/" + path, .read), looks) { return .unfinished(reason) }
    } catch  where error.code == ENOENT {
      return .stays
    }
    try failures.check(folder.path)
    let target = try target(of: path)
    FaultPoint.sentFileChecked.reached()
    guard let file = try setAside(path, leaf, in: folder) else { return .again }
    FaultPoint.sentFileSetAside.reached()
    guard let now = try file.status(), FileStamp(now).isRenamed(from: FileStamp(before)) else {
      // If another version has its name by now, the file's writer has replaced it, as if nobody had moved it.
      if try !file.putBack() { try file.remove() }
      return .again
    }
    if before.kind == .regular, let reason = Self.obstacle(try file.open(), looks) {
      if try file.putBack() { return .unfinished(reason) }
      try file.remove()
      return .again
    }
    do { try finish(file, target) } catch {
      failures.add(error, folder.path)
      _ = try file.putBack()
      throw error
    }
    return .gone
  }

  private static func obstacle(_ file: File, _ looks: Int) -> UnfinishedFile? {
    switch file.writers() {
    case .none: nil
    case .some: .isOpen
    case .unknown: looks < UnfinishedFile.looks ? .mayBeOpen : nil
    }
  }

  /// Deals with a file that a kill has left set aside.
  /// - Parameter path: its own.
  func recover(_ path: String) throws {
    let (folder, leaf) = try split(path, below: input, creating: false)
    guard let file = try SetAside.left(leaf, in: folder), try !file.putBack() else { return }
    // A newer version has come, so this one was sent, or replaced by its writer. To keep is to delete nothing, though.
    if action != .keep { try finish(file, target(of: path)) }
  }

  /// nil where the file is gone.
  private func setAside(_ path: String, _ leaf: String, in folder: Folder) throws -> SetAside? {
    do { return try SetAside.take(leaf, in: folder) } catch {
      guard error.code == EEXIST else { throw error }
      try recover(path)
      return try SetAside.take(leaf, in: folder)
    }
  }

  private func target(of path: String) throws -> Folder? {
    action == .move ? try split(path, below: sentFolder, creating: true).0 : nil
  }

  /// - Parameter target: nil: the file goes.
  private func finish(_ file: SetAside, _ target: Folder?) throws(SystemError) {
    if let target { try file.move(to: target) } else { try file.remove() }
  }

  private func split(_ path: String, below root: String, creating: Bool) throws(SystemError) -> (Folder, String) {
    // By bytes: as characters, a slash with a combining accent behind it is no slash.
    let components = path.utf8.split(separator: UInt8(ascii: "/")).map { String($0)! }
    var folder = creating ? try Folder.create(root) : try Folder.open(root)
    for component in components.dropLast() { folder = try folder.folder(component, creating: creating) }
    return (folder, components[components.count - 1])
  }
}

/// The folders whose files could be set aside and then neither moved nor removed. To put such a file back is an event,
/// upon which it would be set aside again at once, and for ever.
private final class RecentFailures: Sendable {
  private let byFolder = Mutex<[String: (error: SystemError, until: Int64)]>([:])
  private static let milliseconds: Int64 = 10_000
  private static let most = 1_000

  func add(_ error: SystemError, _ folder: String) {
    byFolder.withLock { folders in
      if folders.count >= Self.most { folders = [:] }
      folders[folder] = (error, Clock.monotonicMilliseconds + Self.milliseconds)
    }
  }

  /// - Throws: what went wrong there a moment ago.
  func check(_ folder: String) throws(SystemError) {
    let failure = byFolder.withLock { $0[folder] }
    if let failure, Clock.monotonicMilliseconds < failure.until { throw failure.error }
  }
}

struct MoveRefusal: Error, CustomStringConvertible {
  let description: String
}
