import Platform
import Synchronization

/// Creates files without a name. Each costs a descriptor, so their number is limited.
final class UnnamedFiles: Sendable {
  private let folder: Folder
  private let most: Int
  private let open = Atomic<Int>(0)

  /// - Parameter folder: on the file system of the output; empty.
  /// - Returns: nil if the file system has no such files, or might lose them in a power failure.
  init?(in folder: Folder) throws {
    let kind = try folder.fileSystem
    guard kind.syncsAsAWhole, kind.linksSyncedFiles, folder.allowsUnnamedFiles(trial: "trial.part") else { return nil }
    self.folder = folder
    most = ProcessLimits.now().openFiles / 2
  }

  /// - Returns: nil if too many are open.
  func create() throws(SystemError) -> UnnamedFile? {
    guard open.add(1, ordering: .relaxed).newValue <= most else {
      close()
      return nil
    }
    do throws(SystemError) { return UnnamedFile(try folder.unnamedFile(), of: self) } catch {
      close()
      throw error
    }
  }

  fileprivate func close() { open.subtract(1, ordering: .relaxed) }
}

final class UnnamedFile: Sendable {
  private let open: Mutex<File?>
  private let files: UnnamedFiles

  fileprivate init(_ file: File, of files: UnnamedFiles) {
    open = Mutex(file)
    self.files = files
  }

  deinit { close() }

  /// nil once it is closed.
  var file: File? { open.withLock { $0 } }

  /// Without a name, the file is gone then.
  func close() {
    if open.withLock({ $0.take() }) != nil { files.close() }
  }
}
