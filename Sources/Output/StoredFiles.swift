package import Platform
import Wire

/// The images of an output, as commands see them next to the consumers that store more.
package protocol StoredFiles: AnyObject {
  /// The beginning of the paths in the output's rows.
  var path: String { get }
  /// The folder whose `.image-pipeline` has the catalog.
  var catalogFolder: String { get }
  /// The CSV file, which must agree with the catalog; nil if there is none.
  var csvPath: String? { get }

  /// - Parameters:
  ///   - entry: the catalog's; nil: only the size matters.
  ///   - now: false if a look at the beginning is enough.
  /// - Returns: nil if there is no such image.
  func look(at name: String, _ entry: Catalog.Entry?, now: Bool) throws -> StoredFileLook?
  /// The hash of an image's bytes, read now; nil if there is no such image.
  func digest(of name: String) throws -> Digest?
  /// Calls `body` with the names of all images that are there.
  func eachName(_ body: (String) throws -> Void) throws
  /// Whether consumers use the output now.
  func hasConsumers() throws -> Bool
  /// Makes the catalog show what was stored until now.
  func refresh() throws
  /// The places of rows that were removed from the output's log.
  func missingRows() throws -> [String]
  /// To be called once, at the end.
  func close()
}

package struct StoredFileLook: Sendable {
  package let size: Int
  /// Whether it is as it was stored. nil: only its bytes would show that.
  package let isUnchanged: Bool?

  package init(size: Int, isUnchanged: Bool?) {
    self.size = size
    self.isUnchanged = isUnchanged
  }
}

/// The files of a folder.
package final class FolderFiles: StoredFiles {
  package let path: String
  package let csvPath: String?
  package var catalogFolder: String { path }

  package init(_ path: String, csvPath: String?) {
    self.path = path
    self.csvPath = csvPath
  }

  /// - Returns: nil if there is no regular file.
  private func status(_ name: String) throws -> FileStatus? {
    try FileStatus.of(path + "/" + name, followingLinks: false).flatMap { $0.kind == .regular ? $0 : nil }
  }

  package func look(at name: String, _ entry: Catalog.Entry?, now: Bool) throws -> StoredFileLook? {
    try status(name).map { StoredFileLook(size: $0.size, isUnchanged: entry?.isStampOf($0) == true ? true : nil) }
  }

  package func digest(of name: String) throws -> Digest? {
    try status(name) == nil ? nil : Digest.ofFile(path + "/" + name)
  }

  package func eachName(_ body: (String) throws -> Void) throws {
    // The CSV file may be in the output, under another spelling of its path.
    let csv = try csvPath.flatMap { try FileStatus.of($0) }
    let walker = try FolderWalker(root: path) { $0 != ImageName.reserved }
    while let entry = walker.next() {
      let entry = try entry.get()
      guard entry.kind != .folder else { continue }
      let name = String(decoding: entry.relativePath, as: UTF8.self)
      if let csvPath, CSVFile.isItsOwn(name, at: csvPath, output: path) { continue }
      guard let status = try FileStatus.of(path + "/" + name, followingLinks: false),
        csv?.isSameFile(as: status) != true
      else { continue }
      try body(name)
    }
  }

  package func hasConsumers() throws -> Bool {
    try !ConsumerSlot.taken(in: Folder.open(path + "/" + ImageName.reserved)).isEmpty
  }

  package func refresh() {}
  package func missingRows() -> [String] { [] }
  package func close() {}
}
