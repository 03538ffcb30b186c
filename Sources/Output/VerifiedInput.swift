package import Platform
package import Wire

/// An input as `Verifier` reads it.
package protocol VerifiedInput: AnyObject {
  /// Reads all images that the filter accepts.
  func each(_ filter: FileFilter, _ body: (VerifiedImage) throws -> Void) throws
}

package struct VerifiedImage: Sendable {
  /// Relative to the input.
  package let path: String
  package let digest: Digest
  package let size: Int

  package init(path: String, digest: Digest, size: Int) {
    self.path = path
    self.digest = digest
    self.size = size
  }
}

/// The files of a folder.
package final class VerifiedInputFolder: VerifiedInput {
  private let path: String

  package init(_ path: String) { self.path = path }

  package func each(_ filter: FileFilter, _ body: (VerifiedImage) throws -> Void) throws {
    let walker = try FolderWalker(root: path) { [path] name in
      filter.enters(name) && !InputFolder.isOutput(path + "/" + name)
    }
    while let entry = walker.next() {
      let entry = try entry.get()
      guard entry.kind != .folder, let name = entry.string, filter.accepts(name),
        try FileStatus.of(path + "/" + name)?.kind == .regular
      else { continue }
      let file = try File.open(path + "/" + name, .read)
      try body(VerifiedImage(path: name, digest: try file.digest(), size: try file.status().size))
    }
  }
}
