import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

@Suite struct OutputFolderTests {
  private let scratch: TestFolder
  private let output: OutputFolder
  private let incoming: Folder

  init() throws {
    scratch = TestFolder()
    output = try OutputFolder(path: scratch / "out", csvPath: scratch / "out/rows.csv")
    incoming = try scratch.makeFolder("incoming")
  }

  @discardableResult
  private func place(_ name: String, _ text: String = "image") throws -> FileStatus {
    try scratch.write("incoming/0.part", text)
    return try output.place(TemporaryFile("0.part", in: incoming), as: ImageName(name), over: nil)
  }

  private func reason(_ name: String) throws -> String? {
    do {
      try place(name)
      return nil
    } catch let refusal as ImageName.Refusal { return refusal.reason }
  }

  @Test("an image is placed under its name") func imageIsPlacedUnderItsName() throws {
    let entry = Catalog.Entry(digest(of: "image"), try place("cat/small/1.jpg"))
    #expect(try scratch.read("out/cat/small/1.jpg") == "image")
    #expect(entry == Catalog.Entry(digest(of: "image"), try scratch.status("out/cat/small/1.jpg")))
    #expect(try scratch.names("incoming") == [])
    try output.syncTouched()
    #expect(try output.status(ImageName("cat/small/1.jpg")) == scratch.status("out/cat/small/1.jpg"))
    #expect(try output.openFile(ImageName("cat/small/1.jpg"))?.status().size == 5)
  }

  @Test("an image replaces the former file") func imageReplacesFormerFile() throws {
    try place("1.jpg", "old")
    try place("1.jpg", "new")
    #expect(try scratch.read("out/1.jpg") == "new")
  }

  @Test("a file without a name replaces the former file, and leaves nothing") func unnamedFileReplacesFormerFile()
    throws
  {
    guard let files = try UnnamedFiles(in: incoming) else { return }
    for text in ["old", "new"] {
      let unnamed = try #require(try files.create())
      try Array(text.utf8).withUnsafeBytes { try #require(unnamed.file).write($0, at: 0) }
      let status = try #require(unnamed.file).status()
      let placed = try output.place(
        TemporaryFile("0.part", in: incoming, status, unnamed: unnamed), as: ImageName("cat/1.jpg"), over: nil)
      #expect(placed.isSameFile(as: status))
      #expect(try scratch.read("out/cat/1.jpg") == text && scratch.names("incoming") == [])
    }
    let unnamed = try #require(try files.create())
    let status = try #require(unnamed.file).status()
    let file = TemporaryFile("0.part", in: incoming, status, unnamed: unnamed)
    #expect(throws: ImageName.Refusal.self) { try output.place(file, as: ImageName("cat"), over: nil) }
    file.remove()
    #expect(try unnamed.file == nil && scratch.names("incoming") == [])
  }

  /// Somebody may remove images as fast as they are placed.
  @Test("an image that is removed at once was placed all the same") func removedImageWasPlaced() throws {
    let folder = try Folder.open(scratch / "out")
    let isOver = StopFlag()
    let thread = BackgroundThread.start("taker") { while !isOver.isSet { unlinkat(folder.descriptor, "1.jpg", 0) } }
    defer {
      isOver.set()
      thread.join()
    }
    for _ in 0..<3_000 { #expect(try place("1.jpg").size == 5) }
  }

  @Test("a missing image has no status") func missingImageHasNoStatus() throws {
    try scratch.write("out/file", "x")
    _ = try scratch.makeFolder("out/folder")
    try scratch.makeLink("out/link.jpg", to: scratch / "out/file")
    for name in ["none.jpg", "no/such.jpg", "file/inside.jpg", "folder", "link.jpg"] {
      #expect(try output.status(ImageName(name)) == nil, "\(name)")
    }
    #expect(try output.openFile(ImageName("no/such.jpg")) == nil)
  }

  @Test("a symbolic link in the path is not followed") func linkedFolderIsNotFollowed() throws {
    _ = try scratch.makeFolder("elsewhere")
    try scratch.makeLink("out/cat", to: scratch / "elsewhere")
    try scratch.makeLink("out/nowhere", to: scratch / "nothing")
    #expect(try reason("cat/1.jpg") != nil)
    #expect(try reason("cat/deep/1.jpg") != nil)
    #expect(try reason("nowhere/1.jpg") != nil)
    #expect(try scratch.names("elsewhere") == [])
    #expect(!scratch.exists("nothing"))
    #expect(try output.status(ImageName("cat/1.jpg")) == nil)
  }

  @Test("a link at the image's name is replaced, its target left alone") func linkIsReplacedNotFollowed() throws {
    try scratch.write("precious.jpg", "precious")
    try scratch.makeLink("out/1.jpg", to: scratch / "precious.jpg")
    try place("1.jpg")
    #expect(try scratch.read("precious.jpg") == "precious")
    #expect(try scratch.read("out/1.jpg") == "image")
  }

  @Test("a file at a folder's name is refused") func fileInsteadOfFolderIsRefused() throws {
    try place("cat", "a file")
    #expect(try reason("cat/1.jpg") == "a file or link exists where a folder is needed")
    #expect(try scratch.read("out/cat") == "a file")
  }

  @Test("a folder at the image's name is refused") func folderInsteadOfFileIsRefused() throws {
    try place("cat/1.jpg")
    #expect(try reason("cat") == "a folder with that name exists")
  }

  @Test("the CSV file's own name is refused") func csvFileNameIsRefused() throws {
    #expect(try reason("rows.csv") == "it is the name of the CSV file")
    #expect(try reason("cat/rows.csv") == nil)
    #expect(try reason("rows.csv.jpg") == nil)
  }

  /// For a file system that folds both spellings into one name.
  @Test("the CSV file is recognized by another spelling") func csvFileIsKnownBySpelling() throws {
    try scratch.write("out/rows.csv", "rows")
    #expect(link(scratch / "out/rows.csv", scratch / "out/ROWS.csv") == 0)
    #expect(try reason("ROWS.csv") == "it is the name of the CSV file")
    #expect(try scratch.read("out/ROWS.csv") == "rows")
    #expect(try reason("Rows.csv") == nil)
  }

  @Test("the CSV file is recognized by another path") func csvFileIsKnownByPath() throws {
    _ = try scratch.makeFolder("out/cat")
    try scratch.makeLink("linked", to: scratch / "out")
    let other = try OutputFolder(path: scratch / "out/", csvPath: scratch / "linked/cat/../cat/rows.csv")
    try scratch.write("incoming/0.part", "x")
    #expect(throws: ImageName.Refusal.self) {
      try other.place(TemporaryFile("0.part", in: incoming), as: ImageName("cat/rows.csv"), over: nil)
    }
    _ = try other.place(TemporaryFile("0.part", in: incoming), as: ImageName("rows.csv"), over: nil)
  }

  @Test("a name that the file system does not accept is refused") func invalidNameIsRefused() throws {
    // Within our limits, but longer than a path may be together with the folder.
    let long = String(repeating: String(repeating: "x", count: 250) + "/", count: 12) + "1.jpg"
    #expect(try reason(long) == nil)
  }

  @Test("file paths begin as configured") func filePathsBeginAsConfigured() throws {
    #expect(output.filePath(try ImageName("a/b.jpg")) == scratch / "out/a/b.jpg")
    let trailing = try OutputFolder(path: scratch / "out//", csvPath: scratch / "x.csv")
    #expect(trailing.filePath(try ImageName("b.jpg")) == scratch / "out/b.jpg")
  }

  @Test("many folders are synced and closed") func manyFoldersAreSyncedAndClosed() throws {
    for number in 0..<250 { try place("\(number)/1.jpg") }
    try output.syncTouched()
    try output.syncTouched()
    try place("0/2.jpg")
    try output.syncTouched()
    #expect(try scratch.names("out/0") == ["1.jpg", "2.jpg"])
    #expect(try scratch.names("out").count == 251)
  }

  @Test("folders with different Unicode forms are two") func similarFoldersAreTwo() throws {
    let (composed, decomposed) = ("\u{E9}/1.jpg", "e\u{301}/1.jpg")
    try place(composed, "composed")
    #expect(try output.status(ImageName(decomposed)) == nil)
    try place(decomposed, "decomposed")
    try output.syncTouched()
    #expect(try scratch.read("out/" + composed) == "composed")
    #expect(try scratch.read("out/" + decomposed) == "decomposed")
  }

  @Test("a folder removed during a batch is re-created") func removedFolderIsRecreated() throws {
    try place("cat/1.jpg")
    let cat = try Folder.open(scratch / "out/cat")
    try cat.remove("1.jpg")
    try Folder.open(scratch / "out").removeFolder("cat")
    // This batch may fail, but the next attempt must not fail in the same way.
    _ = try? place("cat/2.jpg")
    try place("cat/2.jpg")
    #expect(try scratch.names("out/cat") == ["2.jpg"])
  }
}

@Suite struct ConsumerSlotTests {
  private let scratch: TestFolder
  private let reserved: Folder

  init() throws {
    scratch = TestFolder()
    reserved = try scratch.makeFolder("reserved")
  }

  @Test("each consumer has a slot of its own") func consumersHaveOwnSlots() throws {
    let first = try ConsumerSlot.claim(in: reserved, alone: false)
    let second = try ConsumerSlot.claim(in: reserved, alone: false)
    #expect([first.number, second.number] == [1, 2])
    #expect(first.incoming.path != second.incoming.path)
  }

  @Test("a freed slot is reused and cleaned") func freedSlotIsReused() throws {
    var first: ConsumerSlot? = try ConsumerSlot.claim(in: reserved, alone: false)
    let second = try ConsumerSlot.claim(in: reserved, alone: false)
    try scratch.write("reserved/consumer-1/incoming/0.part", "half")
    try scratch.write("reserved/consumer-2/incoming/0.part", "mine")
    #expect(first?.number == 1)
    first = nil
    let successor = try ConsumerSlot.claim(in: reserved, alone: false)
    #expect(successor.number == 1)
    #expect(try successor.incoming.names() == [])
    #expect(try second.incoming.names() == ["0.part"])
  }

  @Test("a consumer that must be alone refuses a second") func exclusiveConsumerRefusesSecond() throws {
    let first = try ConsumerSlot.claim(in: reserved, alone: true)
    #expect(first.number == 1)
    let said = refusal { _ = try ConsumerSlot.claim(in: reserved, alone: true) }
    #expect(said?.contains("PROCESSED_IMAGES_DIR") == true)
  }
}
