import Glibc
import Platform

/// The inotify watches on the input and its subfolders. Each watch is known by the path of its folder, so it is dropped
/// as soon as the folder leaves that path. Otherwise events of a moved folder would be taken for files of the input.
final class FolderWatches {
  /// A change in the input.
  enum Event {
    /// A file was created or written to. The path is relative to the root.
    case written(String)
    /// A writer closed a file.
    case closed(String)
    /// A complete file was moved in.
    case movedIn(String)
    /// A file was closed or moved in under a name that is not UTF-8.
    case unreadableName([UInt8])
    /// A new folder has appeared. Files that were already in it raised no events.
    case folderAppeared(String)
    /// Watched folders have left these paths. Their watches and those below them are dropped.
    case foldersGone([String])
    /// Events were lost: only a scan of everything shows what happened.
    case eventsLost
  }

  private struct Watch {
    /// Relative to the root, with a slash at the end; empty for the root.
    var path: String
    /// The last scan that met the folder.
    var scan: Int
  }

  private let root: String
  private let events: ProducerEvents
  private let inotify: FolderEvents?
  private var watches: [Int32: Watch] = [:]
  /// By `pathKey` of the watch's path.
  private var numbers: [[UInt8]: Int32] = [:]
  private var scan = 0
  private var isExhausted = false

  init(root: String, events: ProducerEvents) {
    self.root = root
    self.events = events
    do { inotify = try FolderEvents() } catch {
      events.input.noEvents(error)
      inotify = nil
    }
    watch("")
  }

  var count: Int { watches.count }

  // MARK: Watching

  /// Watches the folder that is at a path now. A watch of another folder that was there before is dropped.
  /// - Parameter path: relative to the root.
  func watch(_ path: String) {
    guard let inotify else { return }
    let prefix = path.isEmpty ? "" : path + "/"
    guard !isExhausted else {
      if let number = numbers[prefix.pathKey] { watches[number]?.scan = scan }
      return
    }
    do {
      let number = try inotify.watch(path.isEmpty ? root : root + "/" + path)
      if let old = numbers[prefix.pathKey], old != number { drop(old) }
      // The folder may have been watched under an earlier path.
      if let old = watches[number]?.path, old != prefix { numbers[old.pathKey] = nil }
      watches[number] = Watch(path: prefix, scan: scan)
      numbers[prefix.pathKey] = number
    } catch  where error.code == ENOENT {
      return
    } catch {
      isExhausted = error.code == ENOSPC
      events.input.noEvents(error)
    }
  }

  /// A scan of the whole input begins: it calls `watch` for each folder that it meets.
  func scanBegins() {
    scan += 1
    // Folders that are gone may have freed watches.
    isExhausted = false
    watch("")
  }

  /// A scan of the whole input is complete. Folders that it did not meet lose their watches: they are no longer in the
  /// input, or are no longer entered.
  func scanEnded() {
    for (number, watch) in watches where watch.scan < scan { drop(number) }
  }

  private func drop(_ number: Int32) {
    guard let watch = watches.removeValue(forKey: number) else { return }
    if numbers[watch.path.pathKey] == number { numbers[watch.path.pathKey] = nil }
    inotify?.unwatch(number)
  }

  /// Drops the watches of folders and of everything below them, because only the folder that was moved raises an event.
  private func drop(below gone: Set<[UInt8]>) {
    for (number, watch) in watches where watch.path.isBelow(gone) { drop(number) }
  }

  // MARK: Events

  /// Waits for events and passes them on in order.
  func next(timeout: Duration, _ body: (Event) throws -> Void) throws {
    guard let inotify else {
      Deadline(in: min(timeout, .milliseconds(100))).sleep()
      return
    }
    var gone: [String] = []
    var keys: Set<[UInt8]> = []
    for event in try inotify.next(timeout: timeout) {
      if event.kind == .overflow { try body(.eventsLost) }
      guard let folder = watches[event.watch]?.path, keys.isEmpty || !folder.isBelow(keys) else { continue }
      if event.kind == .folderGone {
        gone.append(folder)
        keys.insert(folder.pathKey)
      } else if let event = Self.event(event, in: folder) {
        try body(event)
      }
    }
    guard !gone.isEmpty else { return }
    drop(below: keys)
    try body(.foldersGone(gone))
  }

  private static func event(_ event: FolderEvents.Event, in folder: String) -> Event? {
    let name = String(validating: event.name, as: UTF8.self)
    return switch event.kind {
    case .written: name.map { .written(folder + $0) }
    case .closed: name.map { .closed(folder + $0) } ?? .unreadableName(Array(folder.utf8) + event.name)
    case .movedIn: name.map { .movedIn(folder + $0) } ?? .unreadableName(Array(folder.utf8) + event.name)
    case .folderAppeared: name.map { .folderAppeared(folder + $0) }
    case .folderGone, .overflow: nil
    }
  }
}

extension String {
  /// The same as `isBelow` of the path's `pathKey`.
  func isBelow(_ folders: Set<[UInt8]>) -> Bool { pathKey.isBelow(folders) }
}

extension [UInt8] {
  /// Whether a path is one of these folders, or in one of them.
  /// - Parameter folders: keys of paths with a slash at the end. An empty key is the root, and everything is below it.
  func isBelow(_ folders: Set<[UInt8]>) -> Bool {
    folders.contains([]) || indices.contains { self[$0] == UInt8(ascii: "/") && folders.contains(Array(self[...$0])) }
  }
}
