import Glibc
import Platform

/// The watched folders below the input, and what their events mean for its files.
final class FolderWatches {
  private let root: String
  private let events: ProducerEvents
  private let inotify: FolderEvents?
  /// Relative paths of the watched folders, with a slash behind; empty for the root.
  private var folders: [Int32: String] = [:]
  private var isExhausted = false

  init(root: String, events: ProducerEvents) {
    self.root = root
    self.events = events
    do { inotify = try FolderEvents() } catch {
      events.noEvents(error)
      inotify = nil
    }
    watch("")
  }

  /// - Parameter path: relative to the root. Where it is watched already, nothing changes.
  func watch(_ path: String) {
    guard let inotify, !isExhausted else { return }
    do {
      folders[try inotify.watch(path.isEmpty ? root : root + "/" + path)] = path.isEmpty ? "" : path + "/"
    } catch  where error.code == ENOENT {
      return
    } catch {
      isExhausted = error.code == ENOSPC
      events.noEvents(error)
    }
  }

  /// Waits for events.
  /// - Parameters:
  ///   - finished: a file's writer has closed it, or it was moved in.
  ///   - refused: the same of a name that is not UTF-8.
  ///   - appeared: a folder is new, and its content with it; nil: events do not tell everything, a scan of all has to.
  func next(
    timeoutMilliseconds: Int, finished: (String) throws -> Void, refused: ([UInt8]) -> Void, appeared: (String?) -> Void
  ) throws {
    guard let inotify else {
      Clock.sleep(milliseconds: min(timeoutMilliseconds, 100))
      return
    }
    for event in try inotify.next(timeoutMilliseconds: timeoutMilliseconds) {
      switch event.kind {
      case .overflow: appeared(nil)
      case .folderGone:
        // What was moved within the input is found by a scan, under its new name.
        if folders.removeValue(forKey: event.watch) != nil {
          inotify.unwatch(event.watch)
          appeared(nil)
        }
      case .folderAppeared:
        guard let folder = folders[event.watch] else { continue }
        guard let name = String(validating: event.name, as: UTF8.self) else { continue }
        appeared(folder + name)
      case .finished:
        guard let folder = folders[event.watch] else { continue }
        guard let name = String(validating: event.name, as: UTF8.self) else {
          refused(Array(folder.utf8) + event.name)
          continue
        }
        try finished(folder + name)
      }
    }
  }
}
