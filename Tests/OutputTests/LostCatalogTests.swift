import Glibc
import TestSupport
import Testing

@testable import Output

/// A consumer's behaviour if the catalog is lost.
@Suite struct LostCatalogTests: SpoiltOutput {
  let scratch: TestFolder
  let lines = LogLines()

  init() throws { scratch = TestFolder() }

  @Test("a consumer refuses an output whose catalog is lost") func lostCatalogIsRefused() throws {
    try fill(Self.images)
    let before = try rows
    for emptied in [false, true] {
      try removeCatalog()
      if emptied { try scratch.write(catalogFile, [UInt8]()) }
      for _ in 1...2 {
        let said = refusal { _ = try store() }
        #expect(said?.contains("image-pipeline repair") == true && said?.contains(catalogFile) == true, "\(said ?? "")")
      }
      #expect(try rows == before)
      #expect(try asides() == [])
    }
    _ = try repair()
    try expectAgreement()
  }

  @Test("an output without images needs no catalog") func emptyOutputIsFine() throws {
    try fill(Self.images)
    let before = try rows
    try removeCatalog()
    for name in ["a.jpg", "cat/b.jpg", "cat/ö, \"c\".jpg"] { #expect(unlink(scratch / "out/\(name)") == 0) }
    _ = try store()
    #expect(try scratch.read(#require(try asides().first)) == before)
  }

  @Test("images without a row are reported once") func foreignImagesAreReported() throws {
    try scratch.write("out/mine.jpg", "mine")
    _ = try store()
    #expect(lines.entries.hasEvent("output_has_unknown_files", ["for_example": "mine.jpg"]), "\(lines.all)")
    let said = lines.all.count
    _ = try store()
    #expect(lines.all.count == said)
  }

  @Test("a CSV file among the images is no image") func csvFileIsNoImage() throws {
    _ = try store(csv: "out/rows.csv")
    #expect(lines.all == [])
    try scratch.write("out/rows.csv.aside-1", "x")
    try removeCatalog()
    _ = try store(csv: "out/rows.csv")
    #expect(lines.all == [])
  }
}
