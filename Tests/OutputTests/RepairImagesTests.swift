import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import Wire

@Suite struct RepairImagesTests: SpoiltOutput {
  let scratch: TestFolder
  let lines = LogLines()

  init() throws { scratch = TestFolder() }

  // MARK: Images

  @Test("missing and altered images are named and may arrive again") func badImagesMayArriveAgain() throws {
    try fill(Self.images + [("d.jpg", "five")])
    try Folder.open(scratch / "out").remove("a.jpg")
    let status = try scratch.status("out/d.jpg")
    try scratch.write("out/d.jpg", "FIVE")
    // Not even the time differs.
    let time = timespec(
      tv_sec: Int(status.modified / 1_000_000_000), tv_nsec: Int(status.modified % 1_000_000_000))
    #expect(utimensat(AT_FDCWD, scratch / "out/d.jpg", [time, time], 0) == 0)
    #expect(try scratch.status("out/d.jpg").modified == status.modified)
    let before = try rows
    for _ in 1...2 {
      let (result, said) = try repair()
      #expect(said == ["finding=missing name=a.jpg", "finding=altered name=d.jpg"])
      #expect(result.remaining == 2 && result.sound == 2)
    }
    #expect(try rows == before)
    let entry = try #require(try store().catalog.entry("d.jpg"))
    #expect(entry.digest == digest(of: "five") && entry.inode == 0, "only its bytes can say that it is there")
  }

  @Test("thumbnails of a NAS get no row if catalog and CSV file are lost")
  func thumbnailsGetNoRow() throws {
    for name in ["a.jpg", "@eaDir/a.jpg", "cat/#recycle/b.jpg", "lost+found/c.jpg"] {
      try scratch.write("out/" + name, name)
    }
    let (result, _) = try repair()
    #expect(result.sound == 1)
    #expect(try store().catalog.entry("@eaDir/a.jpg") == nil)
  }

  @Test("an image that was copied back is sound again") func restoredImageIsSound() throws {
    try fill(Self.images)
    try Folder.open(scratch / "out").remove("a.jpg")
    try scratch.write("out/a.jpg", "four")
    let (result, said) = try repair()
    #expect(said == [] && result.sound == 3)
    try expectAgreement()
  }

  // MARK: Leftovers

  @Test("unused temporary files and parts are removed") func unusedFilesAreRemoved() throws {
    try fill(Self.images)
    let waiting: String
    do {
      let store = try store()
      let topic = try store.catalog.topic("t", cluster: "c")
      func add(_ id: String) throws -> String {
        let segment = ImageHeaders.Segment(id: id, index: 0, count: 3, position: 0)
        return try store.catalog.transaction {
          try store.catalog.addAssembly(segment, name: "\(id).jpg", digest: digest(of: id), length: 9, topic: topic)
        }.fileName
      }
      waiting = try add("waiting")
      _ = try add("lost")
    }
    try scratch.write("out/.image-pipeline/segments/\(waiting)", "part")
    try scratch.write("out/.image-pipeline/segments/orphan.part", "part")
    try scratch.write("out/.image-pipeline/consumer-3/incoming/0.part", "part")
    try scratch.write("out/.image-pipeline/dead-letters/x.value.part", "part")
    try scratch.write("out/.image-pipeline/dead-letters/x.value", "letter")
    let (result, said) = try repair()
    #expect(result.remaining == 1 && result.repairs == 1, "\(said)")
    #expect(said == ["finding=segments_missing name=lost.jpg", "finding=temporary_files_removed files=3"])
    #expect(try scratch.names("out/.image-pipeline/segments") == [waiting])
    #expect(try scratch.names("out/.image-pipeline/consumer-3/incoming") == [])
    #expect(try scratch.names("out/.image-pipeline/dead-letters") == ["x.value"])
    #expect(try store().catalog.allAssemblies().map(\.name) == ["waiting.jpg"])
    #expect(try repair().said == [])
  }

  /// Renamed but not committed: the last message is delivered again and finds it.
  @Test("an image that was renamed but not committed is still awaited") func uncommittedImageIsStillAwaited() throws {
    try fill(Self.images)
    do {
      let store = try store()
      let topic = try store.catalog.topic("t", cluster: "c")
      try store.catalog.transaction {
        for (name, content) in [("new.jpg", "whole"), ("a.jpg", "newer"), ("half.jpg", "whole"), ("long.jpg", "whole")]
        {
          let segment = ImageHeaders.Segment(id: name, index: 0, count: 2, position: 0)
          _ = try store.catalog.addAssembly(
            segment, name: name, digest: digest(of: content), length: content.utf8.count, topic: topic)
        }
      }
    }
    try scratch.write("out/new.jpg", "whole")
    try scratch.write("out/a.jpg", "newer")
    try scratch.write("out/half.jpg", "wh\0\0e")
    try scratch.write("out/long.jpg", "whole and more")
    let (result, said) = try repair()
    #expect(said == ["half.jpg", "long.jpg"].map { "finding=segments_missing name=\($0)" })
    #expect(result.sound == 3 && result.remaining == 2)
    #expect(try store().catalog.allAssemblies().map(\.name) == ["new.jpg", "a.jpg"])
    #expect(try repair().said == [])
  }
}
