import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

@Suite struct OutputFolderTests {
  private let scratch: Scratch
  private let output: OutputFolder
  private let incoming: Folder

  init() throws {
    scratch = try Scratch()
    output = try OutputFolder(path: scratch / "out", csvPath: scratch / "out/rows.csv")
    incoming = try scratch.folder("incoming")
  }

  @discardableResult
  private func place(_ name: String, _ text: String = "image") throws -> FileStatus {
    try scratch.write("incoming/0.part", text)
    return try output.place("0.part", in: incoming, as: ImageName(name), over: nil)
  }

  private func reason(_ name: String) throws -> String? {
    do {
      try place(name)
      return nil
    } catch let refusal as ImageName.Refusal { return refusal.reason }
  }

  @Test func anImageIsPlacedUnderItsName() throws {
    let entry = Catalog.Entry(digest(of: "image"), try place("cat/small/1.jpg"))
    #expect(try scratch.read("out/cat/small/1.jpg") == "image")
    #expect(entry == Catalog.Entry(digest(of: "image"), try scratch.status("out/cat/small/1.jpg")))
    #expect(try scratch.names("incoming") == [])
    try output.syncTouched()
    #expect(try output.status(ImageName("cat/small/1.jpg")) == scratch.status("out/cat/small/1.jpg"))
    #expect(try output.openFile(ImageName("cat/small/1.jpg"))?.status().size == 5)
  }

  @Test func anImageReplacesWhatStoodThere() throws {
    try place("1.jpg", "old")
    try place("1.jpg", "new")
    #expect(try scratch.read("out/1.jpg") == "new")
  }

  /// Somebody may take the images away as fast as they come.
  @Test func anImageThatIsTakenAwayAtOnceWasPlacedAllTheSame() throws {
    let folder = try Folder.open(scratch / "out")
    let isOver = StopFlag()
    let thread = BackgroundThread.start("taker") { while !isOver.isSet { unlinkat(folder.descriptor, "1.jpg", 0) } }
    defer {
      isOver.set()
      thread.join()
    }
    for _ in 0..<3_000 { #expect(try place("1.jpg").size == 5) }
  }

  @Test func whatIsNotThereHasNoStatus() throws {
    try scratch.write("out/file", "x")
    _ = try scratch.folder("out/folder")
    try scratch.link("out/link.jpg", to: scratch / "out/file")
    for name in ["none.jpg", "no/such.jpg", "file/inside.jpg", "folder", "link.jpg"] {
      #expect(try output.status(ImageName(name)) == nil, "\(name)")
    }
    #expect(try output.openFile(ImageName("no/such.jpg")) == nil)
  }

  @Test func aLinkOnTheWayIsNotFollowed() throws {
    _ = try scratch.folder("elsewhere")
    try scratch.link("out/cat", to: scratch / "elsewhere")
    try scratch.link("out/nowhere", to: scratch / "nothing")
    #expect(try reason("cat/1.jpg") != nil)
    #expect(try reason("cat/deep/1.jpg") != nil)
    #expect(try reason("nowhere/1.jpg") != nil)
    #expect(try scratch.names("elsewhere") == [])
    #expect(try !scratch.exists("nothing"))
    #expect(try output.status(ImageName("cat/1.jpg")) == nil)
  }

  @Test func aLinkInTheImagesPlaceIsReplacedAndItsTargetLeftAlone() throws {
    try scratch.write("precious.jpg", "precious")
    try scratch.link("out/1.jpg", to: scratch / "precious.jpg")
    try place("1.jpg")
    #expect(try scratch.read("precious.jpg") == "precious")
    #expect(try scratch.read("out/1.jpg") == "image")
  }

  @Test func aFileWhereAFolderIsNeededIsAReasonToRefuse() throws {
    try place("cat", "a file")
    #expect(try reason("cat/1.jpg") == "a file or a link stands where a folder is needed")
    #expect(try scratch.read("out/cat") == "a file")
  }

  @Test func aFolderWhereTheFileShouldBeIsAReasonToRefuse() throws {
    try place("cat/1.jpg")
    #expect(try reason("cat") == "a folder stands there")
  }

  @Test func theCSVFilesOwnNameIsRefused() throws {
    #expect(try reason("rows.csv") == "it is the CSV file's")
    #expect(try reason("cat/rows.csv") == nil)
    #expect(try reason("rows.csv.jpg") == nil)
  }

  /// As a file system has it that takes both for one name.
  @Test func theCSVFileIsKnownByAnotherSpelling() throws {
    try scratch.write("out/rows.csv", "rows")
    #expect(link(scratch / "out/rows.csv", scratch / "out/ROWS.csv") == 0)
    #expect(try reason("ROWS.csv") == "it is the CSV file's")
    #expect(try scratch.read("out/ROWS.csv") == "rows")
    #expect(try reason("Rows.csv") == nil)
  }

  @Test func theCSVFileIsKnownByAnotherPath() throws {
    _ = try scratch.folder("out/cat")
    try scratch.link("linked", to: scratch / "out")
    let other = try OutputFolder(path: scratch / "out/", csvPath: scratch / "linked/cat/../cat/rows.csv")
    try scratch.write("incoming/0.part", "x")
    #expect(throws: ImageName.Refusal.self) {
      try other.place("0.part", in: incoming, as: ImageName("cat/rows.csv"), over: nil)
    }
    _ = try other.place("0.part", in: incoming, as: ImageName("rows.csv"), over: nil)
  }

  @Test func aNameThatTheFileSystemDoesNotTakeIsRefused() throws {
    // Within our own limits, and more than a path may have with the folder before it.
    let long = String(repeating: String(repeating: "x", count: 250) + "/", count: 12) + "1.jpg"
    #expect(try reason(long) == nil)
  }

  @Test func filePathsBeginAsConfigured() throws {
    #expect(output.filePath(try ImageName("a/b.jpg")) == scratch / "out/a/b.jpg")
    let trailing = try OutputFolder(path: scratch / "out//", csvPath: scratch / "x.csv")
    #expect(trailing.filePath(try ImageName("b.jpg")) == scratch / "out/b.jpg")
  }

  @Test func manyFoldersAreSyncedAndClosed() throws {
    for number in 0..<250 { try place("\(number)/1.jpg") }
    try output.syncTouched()
    try output.syncTouched()
    try place("0/2.jpg")
    try output.syncTouched()
    #expect(try scratch.names("out/0") == ["1.jpg", "2.jpg"])
    #expect(try scratch.names("out").count == 251)
  }

  @Test func foldersThatOnlyLookAlikeAreTwo() throws {
    let (composed, decomposed) = ("\u{E9}/1.jpg", "e\u{301}/1.jpg")
    try place(composed, "composed")
    #expect(try output.status(ImageName(decomposed)) == nil)
    try place(decomposed, "decomposed")
    try output.syncTouched()
    #expect(try scratch.read("out/" + composed) == "composed")
    #expect(try scratch.read("out/" + decomposed) == "decomposed")
  }

  @Test func aFolderThatWasRemovedInTheMidstOfABatchIsMadeAgain() throws {
    try place("cat/1.jpg")
    let cat = try Folder.open(scratch / "out/cat")
    try cat.remove("1.jpg")
    try Folder.open(scratch / "out").removeFolder("cat")
    // This batch may fail; the next attempt must not fail in the same way for ever.
    _ = try? place("cat/2.jpg")
    try place("cat/2.jpg")
    #expect(try scratch.names("out/cat") == ["2.jpg"])
  }
}

@Suite struct ConsumerSlotTests {
  private let scratch: Scratch
  private let reserved: Folder

  init() throws {
    scratch = try Scratch()
    reserved = try scratch.folder("reserved")
  }

  @Test func eachConsumerHasASlotOfItsOwn() throws {
    let first = try ConsumerSlot.claim(in: reserved, alone: false)
    let second = try ConsumerSlot.claim(in: reserved, alone: false)
    #expect([first.number, second.number] == [1, 2])
    #expect(first.incoming.path != second.incoming.path)
  }

  @Test func aFreedSlotIsReusedAndCleaned() throws {
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

  @Test func aConsumerThatMustBeAloneRefusesASecond() throws {
    let first = try ConsumerSlot.claim(in: reserved, alone: true)
    #expect(first.number == 1)
    let said = refusal { _ = try ConsumerSlot.claim(in: reserved, alone: true) }
    #expect(said?.contains("PROCESSED_IMAGES_DIR") == true)
  }
}
