import Glibc
import OutputSupport
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Telemetry
@testable import Wire

/// An output without a broker, with helpers to damage and repair it.
protocol SpoiltOutput {
  var scratch: TestFolder { get }
  var lines: LogLines { get }
}

extension SpoiltOutput {
  func store(csv: String = "rows.csv") throws -> ImageStore {
    try ImageStore(
      outputPath: scratch / "out", csvPath: scratch / csv, log: lines.log
    ) { _, _ in InMemoryDeadLetters() }
  }

  /// Stores images like a consumer that received each in one message.
  func fill(_ images: [(name: String, content: String)], from offset: Int64 = 0) throws {
    let store = try store()
    let csv = CSVFile(
      path: scratch / "rows.csv", outputPath: store.folder.path, catalog: store.catalog, log: lines.log)
    let topic = try store.catalog.topic("t", cluster: "c")
    for (number, (text, content)) in images.enumerated() {
      let name = try ImageName(text)
      try scratch.write("out/" + text, content)
      let status = try #require(try store.folder.status(name))
      var row = storedRow(store.folder.filePath(name), label: name.label, content: content)
      (row.topic, row.partition, row.offset) = ("t", 0, offset + Int64(number))
      try store.catalog.transaction {
        try store.catalog.set(Catalog.Entry(digest(of: content), status), name: text)
        try store.catalog.append(row)
        try store.catalog.set(.init(next: row.offset + 1, last: nil), topic, partition: 0)
        try csv.synchronize()
      }
    }
  }

  static var images: [(name: String, content: String)] {
    [("a.jpg", "one"), ("cat/b.jpg", "two"), ("cat/ö, \"c\".jpg", "three"), ("a.jpg", "four")]
  }

  /// - Returns: each finding as its kind, name and details: `finding=missing name=a.jpg`.
  func repair(extensions: [String] = ["jpg"]) throws -> (result: Repair.Result, said: [String]) {
    var said: [String] = []
    let repair = try Repair(
      output: scratch / "out", csvPath: scratch / "rows.csv", filter: FileFilter(extensions: extensions), log: lines.log
    ) { finding in
      said.append(Fields.text(finding.fields.filter { $0.0 != "text" }))
    }
    try repair.run()
    return (repair.result, said)
  }

  func asides(_ folder: String = "") throws -> [String] {
    try scratch.names(folder).filter { $0.contains(".aside-") }
  }

  var rows: String { get throws { try scratch.read("rows.csv") } }
  var catalogFile: String { "out/.image-pipeline/catalog.sqlite" }

  func removeCatalog() throws {
    let folder = try scratch.makeFolder("out/.image-pipeline")
    for suffix in ["", "-wal", "-shm"] { try folder.remove(Catalog.fileName + suffix) }
  }

  /// Overwrites bytes of the checkpointed catalog.
  func overwrite(_ bytes: [UInt8], at offset: Int) throws {
    let file = try File.open(scratch / catalogFile, .readWrite)
    try bytes.withUnsafeBytes { try file.write($0, at: offset) }
  }

  /// Expects that a consumer started after a repair logs nothing and changes nothing.
  func expectAgreement(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let before = (try rows, try asides())
    let said = lines.all.count
    let store = try store()
    #expect(lines.all.count == said, "\(lines.all)", sourceLocation: sourceLocation)
    #expect(try rows == before.0, sourceLocation: sourceLocation)
    #expect(try asides() == before.1, sourceLocation: sourceLocation)
    for (name, entry) in try store.catalog.entries(after: nil, atMost: 1_000) where entry.inode != 0 {
      let status = try #require(try store.folder.status(ImageName(name)), sourceLocation: sourceLocation)
      #expect(Catalog.Entry(entry.digest, status) == entry, sourceLocation: sourceLocation)
      #expect(try digest(of: scratch.read("out/" + name)) == entry.digest, sourceLocation: sourceLocation)
    }
  }
}

extension ImageStore {
  /// The folder of an output that is one.
  var folder: OutputFolder { (place as! FolderPlace).output }
}
