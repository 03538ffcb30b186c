import Glibc
package import Platform
package import Wire

/// Opens stored images for readers. No part of a name is followed through a symbolic link, and nothing but a regular file
/// is opened, whatever somebody has put into the output.
package enum StoredFile {
  /// - Returns: nil if there is no such file, or if it is not a regular one that can be reached without links.
  /// - Throws: `SystemError` if it may be there and cannot be read.
  package static func open(_ name: ImageName, in output: String) throws(SystemError) -> (
    file: File, status: FileStatus
  )? {
    do {
      var folder = try Folder.open(output)
      for component in name.folders { folder = try folder.folder(component, creating: false) }
      let file = try folder.file(name.leaf, .read)
      let status = try file.status()
      return status.kind == .regular ? (file, status) : nil
    } catch  where [ENOENT, ENOTDIR, ELOOP, ENXIO, ENODEV, ENAMETOOLONG, EINVAL, EILSEQ].contains(error.code) {
      return nil
    }
  }

  /// The format of a file, from its first bytes; empty if it is not known.
  package static func format(of file: File) throws -> String {
    try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
      let count = try file.read(into: buffer, at: 0)
      return ImageProbe(UnsafeRawBufferPointer(rebasing: buffer[..<count])).format
    }
  }

  /// SHA-256 of the whole file.
  /// - Parameter goOn: called after each piece; throws to give up.
  package static func digest(of file: File, _ goOn: () throws -> Void) throws -> Digest {
    var hash = SHA256()
    try file.eachPiece {
      hash.update($0)
      try goOn()
    }
    return hash.finish()
  }
}
