import TestSupport
import Testing

@testable import Output
@testable import Page
@testable import Platform

@Suite struct PictureCatalogTests {
  private func names(
    _ catalog: PictureCatalog, before: Int64? = nil, _ filter: PictureFilter = PictureFilter(), atMost limit: Int = 100
  ) throws -> [String] {
    try catalog.pictures(before: before, matching: filter, atMost: limit).pictures.map(\.name)
  }

  @Test("pictures are listed newest first, a part at a time") func newestFirst() throws {
    let output = try PageOutput()
    try output.store((1...25).map { "cat/\($0).jpg" })
    let catalog = PictureCatalog(FolderPictures(output.path))
    let first = try catalog.pictures(before: nil, matching: PictureFilter(), atMost: 10)
    #expect(first.pictures.map(\.id) == Array((16...25).reversed()) && first.next == 16)
    let second = try catalog.pictures(before: 16, matching: PictureFilter(), atMost: 10)
    #expect(second.pictures.map(\.id) == Array((6...15).reversed()))
    let last = try catalog.pictures(before: second.next, matching: PictureFilter(), atMost: 10)
    #expect(last.pictures.map(\.id) == [5, 4, 3, 2, 1] && last.next == nil)
    #expect(try catalog.pictures(before: 1, matching: PictureFilter(), atMost: 10).next == nil)
    #expect(try catalog.pictures(before: -5, matching: PictureFilter(), atMost: 10).pictures.isEmpty)
  }

  @Test("an empty catalog, which a consumer is creating, has no pictures") func emptyCatalog() throws {
    let folder = TestFolder()
    _ = try folder.makeFolder(".image-pipeline")
    try folder.write(".image-pipeline/catalog.sqlite", "")
    let catalog = PictureCatalog(FolderPictures(folder.path))
    #expect(try names(catalog) == [] && catalog.identity() == nil)
  }

  @Test("a label has its own pictures only") func labels() throws {
    let output = try PageOutput()
    try output.store(["cat/1.jpg", "dog/1.jpg", "cats/1.jpg", "cat", "cat/2.jpg"])
    let catalog = PictureCatalog(FolderPictures(output.path))
    #expect(try names(catalog, PictureFilter(label: "dog")) == ["dog/1.jpg"])
    #expect(try names(catalog, PictureFilter(label: "cat", search: "2")) == ["cat/2.jpg"])
    #expect(try names(catalog, PictureFilter(label: "")).count == 5)
  }

  @Test("the labels are the folders, without the images at the top") func labelList() throws {
    let output = try PageOutput()
    try output.store(
      (0..<250).map { "top \($0).jpg" } + ["zebra/1.jpg", "a/b/c.jpg", "a.jpg", "a/d.jpg", "Äpfel/1.png"])
    let catalog = PictureCatalog(FolderPictures(output.path))
    let all = try catalog.labels(atMost: 10)
    #expect(all.labels == ["a", "zebra", "Äpfel"] && !all.areMore)
    let one = try catalog.labels(atMost: 1)
    #expect(one.labels == ["a"] && one.areMore)
  }

  @Test(
    "a search finds parts of names, without case",
    arguments: [
      ("BALLOON", ["red balloons.jpg"]), ("кошка", ["Кошка/1.jpg"]), ("КОШКА", ["Кошка/1.jpg"]),
      ("100%", ["100% real.png"]), ("_", ["a_b.png"]), ("\\", ["back\\slash.png"]), ("'; DROP TABLE stored; --", []),
      ("processed_images", []), ("1.jpg", ["Кошка/1.jpg"]), ("写真", ["写真/猫.webp"]),
    ])
  func search(text: String, expected: [String]) throws {
    let output = try PageOutput()
    try output.store(["red balloons.jpg", "Кошка/1.jpg", "100% real.png", "a_b.png", "back\\slash.png", "写真/猫.webp"])
    #expect(try names(PictureCatalog(FolderPictures(output.path)), PictureFilter(search: text)) == expected)
  }

  @Test("a long search is done a part at a time") func searchIsBounded() throws {
    let output = try PageOutput()
    try output.store(["needle 1.jpg"] + (0..<1_200).map { "hay \($0).jpg" } + ["needle 2.jpg"])
    let catalog = PictureCatalog(FolderPictures(output.path), budget: .zero)
    var found: [String] = []
    var before: Int64?
    var requests = 0
    repeat {
      let page = try catalog.pictures(before: before, matching: PictureFilter(search: "needle"), atMost: 10)
      found += page.pictures.map(\.name)
      before = page.next
      requests += 1
    } while before != nil && requests < 100
    // Each one reads as little as it can.
    #expect(found == ["needle 2.jpg", "needle 1.jpg"] && requests == 19, "\(requests)")
    let whole = try PictureCatalog(FolderPictures(output.path), budget: .seconds(3_600)).pictures(
      before: nil, matching: PictureFilter(search: "needle"), atMost: 10)
    #expect(whole.pictures.map(\.name) == found && whole.next == nil)
  }

  @Test("a search with more results than wanted goes on at the right one") func searchGoesOn() throws {
    let output = try PageOutput()
    try output.store((1...30).map { "cat/\($0).jpg" })
    let catalog = PictureCatalog(FolderPictures(output.path))
    var ids: [Int64] = []
    var before: Int64?
    repeat {
      let page = try catalog.pictures(before: before, matching: PictureFilter(search: "cat"), atMost: 7)
      ids += page.pictures.map(\.id)
      before = page.next
    } while before != nil && ids.count < 100
    #expect(ids == Array((1...30).reversed()))
  }

  @Test("an older version is not the current one") func versions() throws {
    let output = try PageOutput()
    let old = try output.store("cat/1.jpg", "old")
    let new = try output.store("cat/1.jpg", "new")
    try output.store("dog/1.jpg")
    let catalog = PictureCatalog(FolderPictures(output.path))
    #expect(try catalog.picture(old)?.isCurrent == false && catalog.picture(new)?.isCurrent == true)
    let path = try #require(try catalog.picture(old)).row.filePath
    let all = try catalog.pictures(before: nil, matching: PictureFilter(filePath: path), atMost: 10)
    #expect(all.pictures.map(\.id) == [new, old])
  }

  @Test("names are found although the output has another path than for the consumer") func movedOutput() throws {
    let output = try PageOutput(prefix: "/data/somewhere else/ö")
    try output.store(["cat/a/1.jpg", "top.jpg"])
    #expect(try names(PictureCatalog(FolderPictures(output.path))) == ["top.jpg", "cat/a/1.jpg"])
  }

  @Test("an output that does not exist yet is empty, and is found later") func laterOutput() throws {
    let folder = TestFolder()
    let missing = PictureCatalog(FolderPictures(folder / "out"))
    #expect(try missing.identity() == nil && names(missing).isEmpty && missing.newest() == 0)
    #expect(try missing.labels(atMost: 5).labels == [] && missing.picture(1) == nil)
    let reserved = try folder.makeFolder("out/.image-pipeline")
    #expect(try missing.identity() == nil)
    let id = try Catalog(in: reserved, exclusive: false).id
    #expect(try missing.identity() == id)
  }

  @Test("another output at the same path is noticed") func replacedOutput() throws {
    let output = try PageOutput()
    try output.store(["old.jpg"])
    let catalog = PictureCatalog(FolderPictures(output.path))
    let first = try catalog.identity()
    #expect(try names(catalog) == ["old.jpg"])
    try output.replace()
    try output.store(["new.jpg"])
    #expect(try names(catalog) == ["new.jpg"])
    #expect(try catalog.identity() != first)
  }

  @Test("what is stored is seen, whether consumers were there before or not") func changesAreSeen() throws {
    let output = try PageOutput()
    try output.store(["1.jpg"])
    output.close()
    // Nobody has the database open, so it is read as a snapshot.
    let catalog = PictureCatalog(FolderPictures(output.path))
    let quiet = try catalog.version()
    #expect(try catalog.newest() == 1 && catalog.version() == quiet)
    try output.begin()
    try output.store(["2.jpg"])
    #expect(try catalog.version() != quiet)
    #expect(try catalog.newest() == 2)
    let second = try catalog.version()
    #expect(try catalog.version() == second)
    try output.store(["3.jpg"])
    #expect(try catalog.version() != second && catalog.newest() == 3)
  }

  @Test("a catalog that cannot be read is reported, and read once it can be") func damagedCatalog() throws {
    let folder = TestFolder()
    try folder.write("out/.image-pipeline/catalog.sqlite", String(repeating: "no database ", count: 1_000))
    let catalog = PictureCatalog(FolderPictures(folder / "out"))
    #expect(throws: CatalogError.self) { try catalog.newest() }
    try folder.remove("out/.image-pipeline/catalog.sqlite")
    #expect(try catalog.newest() == 0)
  }
}
