import Output
import Platform

/// The pictures of an output that is a folder.
struct FolderPictures: PictureOutput {
  let path: String
  let problem: String? = nil
  let largestPicture: Int? = nil

  init(_ path: String) { self.path = path }

  func watchedFolder() -> String? { path }
  func tag(of picture: Picture) -> String? { nil }

  private func file(_ picture: Picture) throws -> (file: File, status: FileStatus)? {
    guard let name = picture.storedName else { return nil }
    return try StoredFile.open(name, in: path)
  }

  func open(_ picture: Picture) throws -> OpenPicture? {
    guard let (file, status) = try file(picture) else { return nil }
    let tag = [Int64(status.size), status.modified, Int64(truncatingIfNeeded: status.inode)].map {
      String($0, radix: 36)
    }.joined(separator: "-")
    return OpenPicture(file: file, size: status.size, tag: tag)
  }

  func examine(_ picture: Picture, stop: StopFlag) throws -> ExaminedPicture? {
    guard let (file, status) = try file(picture) else { return nil }
    guard status.size == picture.row.size else { return ExaminedPicture(size: status.size, digest: nil) }
    let digest = try StoredFile.digest(of: file) { try stop.check("the page is stopped") }
    return ExaminedPicture(size: status.size, digest: digest)
  }

  func interrupt() {}
  func close() {}
}
