import TestSupport

@testable import Output
@testable import Platform
@testable import SQLite
@testable import Wire

/// An output of a test's own, with the catalog that a consumer would write.
final class PageOutput {
  let folder = TestFolder()
  private var writer: Catalog?
  /// The beginning of every `file_path`.
  let prefix: String

  var path: String { folder / "out" }

  init(prefix: String = "processed_images") throws {
    self.prefix = prefix
    try begin()
  }

  /// Creates the output.
  func begin() throws { writer = try Catalog(in: folder.makeFolder("out/.image-pipeline"), exclusive: false) }

  /// Lets the last consumer leave.
  func close() {
    writer?.database.close()
    writer = nil
  }

  /// Removes the output and creates another one.
  func replace() throws {
    close()
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
      try? folder.remove("out/.image-pipeline/" + name)
    }
    try begin()
  }

  /// Stores a version of an image as a consumer does. Returns its row's id.
  @discardableResult
  func store(_ name: String, _ content: [UInt8], writesFile: Bool = true) throws -> Int64 {
    if writesFile { try folder.write("out/" + name, content) }
    return try record(name, content)
  }

  @discardableResult
  func store(_ name: String, _ content: String = "x", writesFile: Bool = true) throws -> Int64 {
    try store(name, Array(content.utf8), writesFile: writesFile)
  }

  /// Stores many images without their files.
  func store(_ names: [String]) throws {
    try writer!.transaction { for name in names { try insert(name, Array("x".utf8)) } }
  }

  private func record(_ name: String, _ content: [UInt8]) throws -> Int64 {
    try writer!.transaction { try insert(name, content) }
    return writer!.database.lastInsertedRow
  }

  private func insert(_ name: String, _ content: [UInt8]) throws {
    let digest = content.withUnsafeBytes { SHA256.hash($0) }
    let probe = content.withUnsafeBytes { ImageProbe($0) }
    let slash = name.utf8.firstIndex(of: UInt8(ascii: "/"))
    // The image first: `lastInsertedRow` is that of the row.
    try writer!.set(Catalog.Entry(digest: digest, size: content.count, modified: 0, inode: 0), name: name)
    try writer!.append(
      StoredRow(
        filePath: prefix + "/" + name, label: slash.map { String(name[..<$0]) } ?? name, digest: digest,
        size: content.count, format: probe.format, width: probe.width, height: probe.height, topic: "t", partition: 0,
        offset: 1, sentTime: 1_000, storedTime: 2_000))
  }
}
