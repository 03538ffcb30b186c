import TestSupport
import Testing

@testable import Output
@testable import Wire

/// The catalog's record of images in segments.
@Suite struct AssemblyTests {
  private let scratch: TestFolder
  private let catalog: Catalog
  private let topic: Catalog.Topic

  init() throws {
    scratch = TestFolder()
    catalog = try Catalog(in: scratch.makeFolder("reserved"), exclusive: false)
    topic = try catalog.topic("t", cluster: "c")
  }

  private func add(_ id: String, count: Int = 3, length: Int = 1_000) throws -> Catalog.Assembly {
    let segment = ImageHeaders.Segment(id: id, index: 0, count: count, position: 0)
    return try catalog.addAssembly(segment, name: "cat/\(id)", digest: digest(of: id), length: length, topic: topic)
  }

  private func part(_ number: Int, _ size: Int = 400, offset: Int64? = nil) -> Catalog.Part {
    Catalog.Part(number: number, size: size, partition: 2, offset: offset ?? Int64(number))
  }

  @Test("an assembly is found by segment id and count") func assemblyIsFoundByIdAndCount() throws {
    #expect(try catalog.assembly(segmentID: "a", count: 3) == nil)
    let made = try add("a")
    let found = try #require(try catalog.assembly(segmentID: "a", count: 3))
    #expect(found.id == made.id)
    #expect(found.name == "cat/a")
    #expect(found.digest == digest(of: "a"))
    #expect(found.length == 1_000)
    #expect(try catalog.assembly(segmentID: "a", count: 4) == nil)
  }

  @Test("other segment sizes of an image are other assemblies") func otherSizesAreOtherAssemblies() throws {
    let (few, many) = (try add("a", count: 3), try add("a", count: 5))
    #expect(few.fileName != many.fileName)
    #expect(try catalog.assemblies(segmentID: "a").map(\.count) == [3, 5])
    #expect(try catalog.allAssemblies().count == 2)
  }

  @Test("an assembly's file name cannot leave its folder") func fileNameStaysInFolder() {
    for id in ["../../etc/passwd", "/", "", "a\0b", String(repeating: "x", count: 10_000)] {
      let name = Catalog.SegmentFile(segmentID: id, count: 2).name
      #expect(name.utf8.count == 69)
      #expect(!name.contains("/"))
    }
    // Neither can another one be imitated.
    #expect(
      Catalog.SegmentFile(segmentID: "a 1", count: 2).name != Catalog.SegmentFile(segmentID: "a", count: 12).name)
  }

  @Test("parts are counted once") func partsAreCountedOnce() throws {
    let assembly = try add("a")
    #expect(try catalog.add(part(2, 200), to: assembly, of: topic, time: 1) == (1, 200))
    #expect(try catalog.add(part(0), to: assembly, of: topic, time: 2) == (2, 600))
    #expect(try catalog.add(part(0), to: assembly, of: topic, time: 3) == (2, 600))
    #expect(try catalog.add(part(1), to: assembly, of: topic, time: 4) == (3, 1_000))
    #expect(try catalog.parts(of: assembly).map(\.number) == [0, 1, 2])
  }

  /// A newly set up producer cuts the image differently, by chance into as many parts.
  @Test("a repeated part counts as it arrived last") func repeatedPartCountsAsLast() throws {
    let assembly = try add("a")
    _ = try catalog.add(part(0, 400, offset: 10), to: assembly, of: topic, time: 1)
    #expect(try catalog.add(part(0, 450, offset: 20), to: assembly, of: topic, time: 2) == (1, 450))
    #expect(try catalog.add(part(1, 450, offset: 21), to: assembly, of: topic, time: 3) == (2, 900))
    #expect(try catalog.add(part(2, 100, offset: 22), to: assembly, of: topic, time: 4) == (3, 1_000))
    #expect(try catalog.parts(of: assembly).map(\.offset) == [20, 21, 22])
  }

  @Test("an assembly is untouched only if nothing was added") func untouchedMeansNothingAdded() throws {
    let (old, young) = (try add("old"), try add("young"))
    _ = try catalog.add(part(0), to: old, of: topic, time: 1_000)
    _ = try catalog.add(part(0), to: young, of: topic, time: 2_000)
    #expect(try catalog.assemblies(of: topic, untouchedSince: 1_500).map(\.segmentID) == ["old"])
    #expect(try catalog.assemblies(of: topic, untouchedSince: 1_000).isEmpty)
    let other = try catalog.topic("other", cluster: "c")
    #expect(try catalog.assemblies(of: other, untouchedSince: 1_500).isEmpty)
  }

  @Test("removing an assembly removes its parts") func removingAnAssemblyRemovesItsParts() throws {
    let (one, other) = (try add("a"), try add("b"))
    _ = try catalog.add(part(0), to: one, of: topic, time: 1)
    _ = try catalog.add(part(0), to: other, of: topic, time: 1)
    try catalog.remove(one)
    #expect(try catalog.parts(of: one).isEmpty)
    #expect(try catalog.assembly(segmentID: "a", count: 3) == nil)
    #expect(try catalog.parts(of: other).count == 1)
  }
}
