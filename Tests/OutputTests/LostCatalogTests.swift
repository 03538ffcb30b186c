import Glibc
import TestSupport
import Testing

@testable import Output

/// What a consumer does that finds the catalog lost.
@Suite struct LostCatalogTests: SpoiltOutput {
  let scratch: Scratch
  let lines = LogLines()

  init() throws { scratch = try Scratch() }

  @Test func aConsumerDoesNotBeginAnewOverWhatWasStored() throws {
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

  @Test func withoutImagesThereIsNothingToLose() throws {
    try fill(Self.images)
    let before = try rows
    try removeCatalog()
    for name in ["a.jpg", "cat/b.jpg", "cat/ö, \"c\".jpg"] { #expect(unlink(scratch / "out/\(name)") == 0) }
    _ = try store()
    #expect(try scratch.read(#require(try asides().first)) == before)
  }

  @Test func imagesThatSomebodyElsePutThereAreSaid() throws {
    try scratch.write("out/mine.jpg", "mine")
    _ = try store()
    #expect(lines.all.contains { $0.contains("not logged") && $0.contains("mine.jpg") }, "\(lines.all)")
    let said = lines.all.count
    _ = try store()
    #expect(lines.all.count == said)
  }

  @Test func aCSVFileAmongTheImagesIsNoImage() throws {
    _ = try store(csv: "out/rows.csv")
    #expect(lines.all == [])
    try scratch.write("out/rows.csv.aside-1", "x")
    try removeCatalog()
    _ = try store(csv: "out/rows.csv")
    #expect(lines.all == [])
  }
}
