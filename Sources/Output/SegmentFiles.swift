import Glibc
package import Platform
package import Wire

/// The folder in which images are assembled from segments. It is always on a local disk.
package struct SegmentFiles: Sendable {
  package let folder: Folder
  let writes = SegmentWrites()

  /// In the output's `.image-pipeline`.
  static let folderName = "segments"

  package init(_ folder: Folder) { self.folder = folder }

  /// The image that the file of its segments holds. To be called while no other thread writes into the file.
  /// - Returns: nil if the file's bytes are not those of the image.
  /// - Throws: `Heartbeat.GivenUp` if the work is to stop.
  func verified(
    _ fileName: String, _ name: ImageName, _ digest: Digest, length: Int, _ heart: Heartbeat? = nil
  ) throws -> AssembledImage? {
    let file = try folder.file(fileName, .readWrite)
    guard try file.status().size == length, try file.digest(heart) == digest else { return nil }
    return AssembledImage(
      name: name, digest: digest, probe: try file.probe(), size: length, file: file, fileName: fileName)
  }

  /// The image that the file of this part holds; nil if the file is incomplete, or was removed.
  package func verified(_ part: PreparedPart) throws -> AssembledImage? {
    let name = part.segment.file.name
    do {
      return try writes.exclusively(name) { try verified(name, part.name, part.digest, length: part.length) }
    } catch let error as SystemError where error.code == ENOENT { return nil }
  }
}

/// An image whose segments have all arrived.
package struct AssembledImage: KeptImage {
  /// As it was sent.
  package let name: ImageName
  package let digest: Digest
  package let probe: ImageProbe
  package let size: Int
  /// The file with its bytes, and its name in the folder of segments.
  package let file: File
  let fileName: String

  /// The same, as an image that is prepared.
  package var prepared: PreparedImage {
    PreparedImage(name: name, digest: digest, size: size, probe: probe, kept: self)
  }
}
