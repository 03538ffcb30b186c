import Glibc

/// Walks everything below a folder, depth first, one entry per call. It holds one descriptor and 32 KiB for each level
/// of depth, whatever the number of files. Symbolic links are returned and never followed. Used by one thread at a
/// time.
package final class FolderWalker {
  package struct Entry: Sendable, Equatable {
    /// The path relative to the root, with components joined by `/`; any bytes except NUL.
    package let relativePath: [UInt8]
    package let kind: FileStatus.Kind

    init(relativePath: [UInt8], kind: FileStatus.Kind) {
      self.relativePath = relativePath
      self.kind = kind
    }

    /// The path as text; nil if it is not UTF-8.
    package var string: String? { String(validating: relativePath, as: UTF8.self) }
  }

  private struct Level {
    let stream: FolderStream
    /// The length of `prefix` up to and including this folder's `/`, in bytes.
    let prefixLength: Int
  }

  private let root: String
  private let enter: (String) -> Bool
  private var levels: [Level]
  private var prefix: [UInt8] = []
  /// The folder that was returned last and is entered next.
  private var pending: Entry?

  /// Opens the root, following links.
  ///
  /// - Parameter enter: called for each subfolder with a UTF-8 path, after that folder was returned; false skips its
  ///   content.
  /// - Throws: as open(2), but only for the root.
  package init(root: String, enter: @escaping (_ relativePath: String) -> Bool) throws(SystemError) {
    try PathRule.check(path: root, "open")
    self.root = root
    self.enter = enter
    levels = [Level(stream: try FolderStream(in: AT_FDCWD, root, path: root, followingLinks: true), prefixLength: 0)]
  }

  /// The next entry; a folder comes before its content. If a folder cannot be read, the error is returned and the walk
  /// continues. A folder that has vanished has no content and is not an error. A folder whose name is not UTF-8 is not
  /// entered.
  ///
  /// - Returns: nil at the end and on every later call.
  package func next() -> Result<Entry, SystemError>? {
    if let folder = pending {
      pending = nil
      if let failure = open(folder) { return .failure(failure) }
    }
    while let level = levels.last {
      prefix.removeLast(prefix.count - level.prefixLength)
      do throws(SystemError) {
        guard let found = try level.stream.next() else {
          levels.removeLast()
          continue
        }
        let entry = Entry(relativePath: prefix + found.name, kind: found.kind)
        if found.kind == .folder { pending = entry }
        return .success(entry)
      } catch {
        // The stream would fail again at the same position: only the rest of this folder is skipped, not the rest of
        // the walk.
        levels.removeLast()
        return .failure(error)
      }
    }
    return nil
  }

  private func open(_ folder: Entry) -> SystemError? {
    guard let parent = levels.last, let path = folder.string, enter(path) else { return nil }
    let name = String(decoding: folder.relativePath.dropFirst(parent.prefixLength), as: UTF8.self)
    do throws(SystemError) {
      // The name is opened relative to the parent, so that neither a long path nor a renamed ancestor matters.
      let stream = try FolderStream(in: parent.stream.descriptor, name, path: PathRule.join(root, path))
      prefix = folder.relativePath + [UInt8(ascii: "/")]
      levels.append(Level(stream: stream, prefixLength: prefix.count))
      return nil
    } catch let error where [ENOENT, ENOTDIR, ELOOP].contains(error.code) {
      return nil  // Removed, or replaced by a file or a link, since it was yielded.
    } catch {
      return error
    }
  }
}
