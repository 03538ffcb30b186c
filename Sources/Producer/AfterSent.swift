import Configuration
import Glibc
import Platform
import Synchronization

struct AfterSent: Sendable {
  let action: AfterSentAction
  let input: String
  /// The folder that `move` moves files to. They keep their paths below it.
  let sentFolder: String
  private let failures = RecentFailures()

  enum Outcome: Equatable {
    /// Nothing was moved or deleted.
    case stays
    /// The file was moved or deleted.
    case gone
    /// The file is no longer the version that was sent, and is to be looked at again.
    case again
    /// A program has the file open for writing, or may have. It is to be tried again later.
    case unfinished(UnfinishedFile)
  }

  /// - Throws: `SystemError`, or `MoveRefusal` if files cannot be moved as configured.
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

  /// Moves or deletes the version of a file that was sent, and no other. The caller has seen it unchanged for
  /// `SETTLE_MS`.
  ///
  /// 1. Check that the file is the version that was sent, and that no program has it open for writing.
  /// 2. Set it aside, under a name that no writer uses. A newer version may take its own name in the meantime.
  /// 3. Check it again: a writer may have opened it between 1 and 2.
  ///
  /// - Parameter looks: how often it was found unchanged before, `SETTLE_MS` apart.
  func perform(_ path: String, _ stamp: FileStamp, looks: Int = 0) throws -> Outcome {
    guard action != .keep, try FileStatus.of(input + "/" + path) != nil else { return .stays }
    let (folder, leaf) = try split(path, below: input, creating: false)
    // The status of a link itself, not of its target: the link is what is moved or deleted.
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
      // If another version has the name by now, the writer has replaced this one. It is removed, as if it had never
      // been moved.
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

  /// Handles a file that was left set aside when a producer was killed.
  /// - Parameter path: the file's original path.
  func recover(_ path: String) throws {
    let (folder, leaf) = try split(path, below: input, creating: false)
    guard let file = try SetAside.left(leaf, in: folder), try !file.putBack() else { return }
    // A newer version exists, so this one was sent, or its writer has replaced it: it can go. `keep` deletes nothing,
    // though.
    if action != .keep { try finish(file, target(of: path)) }
  }

  /// Whether a file has left the input folder: it has neither its own name nor the one that it has while it is set aside.
  /// A scan that recovers it at this moment may give it its own name back in between.
  func isGone(_ path: String) -> Bool {
    func isAbsent() throws(SystemError) -> Bool {
      try FileStatus.of(input + "/" + path, followingLinks: false) == nil
    }
    do throws(SystemError) {
      guard try isAbsent() else { return false }
      let (folder, leaf) = try split(path, below: input, creating: false)
      guard try SetAside.left(leaf, in: folder) == nil else { return false }
      return try isAbsent()
    } catch { return error.code == ENOENT }
  }

  /// Sets a file aside, after recovering one that was left there; nil if the file is gone.
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

  /// - Parameter target: the folder to move the file to; nil: the file is deleted.
  private func finish(_ file: SetAside, _ target: Folder?) throws(SystemError) {
    if let target { try file.move(to: target) } else { try file.remove() }
  }

  private func split(_ path: String, below root: String, creating: Bool) throws(SystemError) -> (Folder, String) {
    // By bytes: as a Character, a slash with a combining accent after it is not a slash.
    let components = path.utf8.split(separator: UInt8(ascii: "/")).map { String($0)! }
    var folder = creating ? try Folder.create(root) : try Folder.open(root)
    for component in components.dropLast() { folder = try folder.folder(component, creating: creating) }
    return (folder, components[components.count - 1])
  }
}

/// The folders in which a file was set aside and could then neither be moved nor removed. Putting such a file back
/// raises an event. Without this pause, that event would set the file aside again at once, forever.
private final class RecentFailures: Sendable {
  private let byFolder = Mutex<[String: (error: SystemError, until: MonotonicClock.Instant)]>([:])
  private static let pause = Duration.seconds(10)
  private static let most = 1_000

  func add(_ error: SystemError, _ folder: String) {
    byFolder.withLock { folders in
      if folders.count >= Self.most { folders = [:] }
      folders[folder] = (error, MonotonicClock.now + Self.pause)
    }
  }

  /// - Throws: the error that occurred in this folder a moment ago.
  func check(_ folder: String) throws(SystemError) {
    let failure = byFolder.withLock { $0[folder] }
    if let failure, MonotonicClock.now < failure.until { throw failure.error }
  }
}

struct MoveRefusal: Error, CustomStringConvertible {
  let description: String
}
