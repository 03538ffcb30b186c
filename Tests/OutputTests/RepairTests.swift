import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

/// A damaged output, repaired without a broker.
@Suite struct RepairTests: SpoiltOutput {
  let scratch: TestFolder
  let lines = LogLines()

  init() throws { scratch = TestFolder() }

  // MARK: Nothing wrong

  @Test("a sound output stays as it is") func soundOutputStaysAsItIs() throws {
    try fill(Self.images)
    let before = try rows
    let (result, said) = try repair()
    #expect(said == [])
    #expect(result.sound == 3 && result.remaining == 0 && result.repairs == 0 && !result.isCatalogNew)
    #expect(try rows == before)
    try expectAgreement()
  }

  @Test("a missing output is not created") func missingOutputIsNotCreated() throws {
    #expect(refusal { _ = try repair() }?.contains("PROCESSED_IMAGES_DIR") == true)
    #expect(try scratch.names() == [])
  }

  @Test("a consumer and a repair exclude each other") func consumerAndRepairAreExclusive() throws {
    try fill(Self.images)
    var store: ImageStore? = try store()
    let used = #expect(throws: OutputLock.InUse.self) { _ = try repair() }
    #expect(used?.isRepaired == false)
    store = nil
    withExtendedLifetime(store) {}
    let running = try Repair(
      output: scratch / "out", csvPath: scratch / "rows.csv", filter: FileFilter(extensions: ["jpg"]), log: lines.log
    ) { _ in }
    let repaired = #expect(throws: OutputLock.InUse.self) { _ = try self.store() }
    #expect(repaired?.isRepaired == true)
    withExtendedLifetime(running) {}
  }

  // MARK: CSV file

  @Test("a truncated CSV file is rewritten", arguments: [0, 1, 100, 250, 400])
  func truncatedCSVFileIsRewritten(length: Int) throws {
    try fill(Self.images)
    let before = try rows
    let cut = Array(before.utf8.prefix(length))
    try scratch.write("rows.csv", cut)
    let (result, said) = try repair()
    #expect(result.repairs == 1 && result.remaining == 0, "\(said)")
    #expect(try rows == before)
    for aside in try asides() { #expect(try contents(of: scratch / aside) == cut) }
    // A partial header comes from a crash and is not kept.
    #expect(try asides().count == (length < CSVLine.header.count ? 0 : 1))
    try expectAgreement()
  }

  @Test("a CSV file altered in the middle is moved aside and rewritten") func alteredCSVFileIsRewritten() throws {
    try fill(Self.images)
    let before = try rows
    // The same length, first and last row: a consumer does not notice.
    let altered = before.replacing("cat/b.jpg", with: "dog/b.jpg")
    try scratch.write("rows.csv", altered)
    #expect(try repair().result.repairs == 1)
    #expect(try rows == before)
    #expect(try scratch.read(#require(try asides().first)) == altered)
    try expectAgreement()
  }

  @Test("rows that the catalog lacks are kept in the file moved aside") func unknownRowsAreKeptAside() throws {
    try fill(Self.images)
    let before = try rows
    try scratch.append("rows.csv", line(storedRow(scratch / "out/restored/from/a/backup.jpg")))
    let longer = try rows
    #expect(try repair().result.repairs == 1)
    #expect(try rows == before)
    #expect(try scratch.read(#require(try asides().first)) == longer)
    try expectAgreement()
  }

  @Test("a missing CSV file is rewritten") func missingCSVFileIsRewritten() throws {
    try fill(Self.images)
    let before = try rows
    try Folder.open(scratch.path).remove("rows.csv")
    #expect(try repair().result.repairs == 1)
    #expect(try rows == before)
    try expectAgreement()
  }

  // MARK: Catalog

  private static let damages: [(String, @Sendable (RepairTests) throws -> Void)] = [
    ("no database", { try $0.overwrite(Array("this is no database at all".utf8), at: 0) }),
    ("zeroed beginning", { try $0.overwrite([UInt8](repeating: 0, count: 4_096), at: 0) }),
    (
      "zeroed pages",
      {
        let size = try $0.scratch.status($0.catalogFile).size
        try $0.overwrite([UInt8](repeating: 0, count: size - 4_096), at: 4_096)
      }
    ),
    (
      "nonsense",
      {
        let size = try $0.scratch.status($0.catalogFile).size
        try $0.overwrite([UInt8](repeating: 0x5A, count: size - 8_192), at: 8_192)
      }
    ),
    ("cut", { try File.open($0.scratch / $0.catalogFile, .readWrite).truncate(to: 9_000) }),
    (
      "a hash of another length",
      { try $0.store().catalog.database.execute("UPDATE images SET digest = x'0102' WHERE name = 'a.jpg'") }
    ),
    ("a table lost", { try $0.store().catalog.database.execute("DROP TABLE images") }),
  ]

  @Test("a damaged catalog is rebuilt from the CSV file and the images", arguments: damages.indices)
  func damagedCatalogIsRebuilt(number: Int) throws {
    try fill(Self.images)
    let before = try rows
    try Self.damages[number].1(self)
    let damaged = try contents(of: scratch / catalogFile)
    let (result, said) = try repair()
    #expect(result.isCatalogNew && result.sound == 3 && result.remaining == 0, "\(said)")
    #expect(said.contains("finding=catalog_rebuilt rows=4 images_without_row=0"), "\(said)")
    let aside = try #require(try asides("out/.image-pipeline").first { !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") })
    #expect(said.contains { $0.hasPrefix("finding=catalog_damaged moved_to=") && $0.hasSuffix("/" + aside) }, "\(said)")
    #expect(try contents(of: scratch / "out/.image-pipeline/\(aside)") == damaged)
    // It was right to the byte and is left alone.
    #expect(try rows == before)
    #expect(try asides() == [])
    try expectAgreement()
    let store = try store()
    #expect(try store.catalog.hasPast)
    var stored: [String] = []
    try store.catalog.rows(after: 0) { stored.append(line($1)) }
    #expect(stored.joined() == before.dropFirst(CSVLine.header.count))
  }

  @Test("a lost catalog is rebuilt") func lostCatalogIsRebuilt() throws {
    try fill(Self.images)
    let before = try rows
    try removeCatalog()
    let (result, said) = try repair()
    #expect(result.isCatalogNew && result.sound == 3 && result.remaining == 0, "\(said)")
    #expect(try rows == before)
    #expect(try asides() == [])
    try expectAgreement()
    #expect(try repair().said == [])
  }

  /// Otherwise producers would count the folder as another output.
  @Test("a rebuilt catalog has the identity of the damaged one if that can still be read", arguments: damages.indices)
  func rebuiltCatalogKeepsIdentity(number: Int) throws {
    try fill(Self.images)
    let id = try store().catalog.id
    try Self.damages[number].1(self)
    #expect(try repair().result.isCatalogNew)
    let isReadable = ["a hash of another length", "a table lost"].contains(Self.damages[number].0)
    if isReadable { #expect(try store().catalog.id == id) }
    // An interrupted repair has moved it aside, and nothing else.
    try removeCatalog()
    let known = try repair().result.isCatalogNew ? store().catalog.id : ""
    #expect(!known.isEmpty && (!isReadable || known == id))
  }

  @Test("a catalog of a newer version is not taken for damaged") func newerCatalogIsNotDamaged() throws {
    try fill(Self.images)
    try store().catalog.database.setUserVersion(99)
    #expect(refusal { _ = try repair() }?.contains("version 99") == true)
    #expect(try asides("out/.image-pipeline") == [])
  }

  @Test("images get rows if the CSV file is lost, too") func imagesWithoutCSVFileGetRows() throws {
    try fill(Self.images)
    try removeCatalog()
    try Folder.open(scratch.path).remove("rows.csv")
    try scratch.write("out/notes.txt", "none of ours")
    let time = [timeval(tv_sec: 1_700_000_000, tv_usec: 250_000), timeval(tv_sec: 1_700_000_000, tv_usec: 250_000)]
    #expect(utimes(scratch / "out/a.jpg", time) == 0)
    let (result, said) = try repair()
    #expect(result.isCatalogNew && result.sound == 3 && result.remaining == 0, "\(said)")
    let row = "a.jpg,\(digest(of: "four").hex),4,,,,,,,,2023-11-14T22:13:20.250Z\n"
    #expect(try rows.contains(scratch / "out/a.jpg," + row))
    #expect(try rows.utf8.split(separator: 0x0A).count == 4)
    try expectAgreement()
    #expect(try !store().catalog.hasPast)
    #expect(try repair().said == [])
  }

  @Test("images without a row get one, the others keep theirs") func imagesWithoutRowGetOne() throws {
    try fill(Self.images)
    let before = try rows
    try removeCatalog()
    // The catalog and the last two rows are lost: no row describes the present file.
    let kept = before.utf8.split(separator: 0x0A).prefix(3).map { String($0)! + "\n" }.joined()
    try scratch.write("rows.csv", kept)
    let (result, said) = try repair()
    #expect(result.sound == 2 && result.remaining == 1, "\(said)")
    #expect(said.contains("finding=catalog_rebuilt rows=2 images_without_row=1"), "\(said)")
    #expect(said.contains("finding=altered name=a.jpg"), "\(said)")
    #expect(try rows.hasPrefix(kept))
    #expect(try rows.contains(digest(of: "three").hex))
    #expect(try scratch.read(#require(try asides().first)) == kept)
    try expectAgreement()
  }

  @Test("rows of other outputs are kept in the file moved aside") func foreignRowsAreKeptAside() throws {
    try fill(Self.images)
    try removeCatalog()
    try scratch.append("rows.csv", "mine.jpg,by hand\n" + line(storedRow("elsewhere/a.jpg")))
    let altered = try rows
    let (result, said) = try repair()
    #expect(result.sound == 3 && result.remaining == 0, "\(said)")
    #expect(said.contains("finding=lines_skipped lines=2"), "\(said)")
    #expect(try scratch.read(#require(try asides().first)) == altered)
    #expect(try !rows.contains("mine.jpg"))
    try expectAgreement()
  }

  @Test("a CSV file of the Python scripts is moved aside, and the images get rows") func scriptsCSVFileIsMovedAside()
    throws
  {
    try scratch.write("out/cat/1.jpg", "one")
    let theirs = "file_path,image_label\n\(scratch / "out/cat/1.jpg"),cat\n"
    try scratch.write("rows.csv", theirs)
    #expect(try repair().result.sound == 1)
    #expect(try scratch.read(#require(try asides().first)) == theirs)
    #expect(try rows.contains(digest(of: "one").hex))
    try expectAgreement()
  }
}
