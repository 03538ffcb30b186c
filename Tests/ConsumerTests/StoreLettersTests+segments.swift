import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Platform

/// The files of an image in segments.
extension StoreLettersTests {
  /// The part of a batch that begins at the catalog's position.
  func part(_ all: ImageStore.Batch, _ range: Range<Int>, of store: ImageStore) throws -> ImageStore.Batch {
    ImageStore.Batch(
      topic: all.topic, messages: Array(all.messages[range]),
      base: [0: try store.catalog.position(all.topic, partition: 0)])
  }

  @Test("an unused segment file is kept for the next segment") func unusedSegmentFileIsKept() throws {
    let store = try store()
    let parts = segments("a.jpg", "put together")
    let all = try batch(
      store, [parts[0], parts[1], parts[0], image("a.jpg", "in between"), parts[0], parts[1]])
    #expect(try storeAll(part(all, 0..<2, of: store), in: store).flatMap(\.images).count == 1)
    // The image exists when the third part arrives, and no longer when the fifth does.
    #expect(try storeAll(part(all, 2..<5, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try storeAll(part(all, 5..<6, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try reasons == [])
    #expect(try scratch.read("out/a.jpg") == "put together")
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 4)
    #expect(try scratch.names("out/.image-pipeline/segments") == [])
  }

  @Test("a segment after the dead letters of its image is kept") func segmentAfterLettersIsKept() throws {
    let store = try store()
    let wrong = segments("a.jpg", "put together", id: "one", digest: digest(of: "another"))
    let right = segments("a.jpg", "put together", id: "one")
    let all = try batch(store, [wrong[0], wrong[1], right[0], right[1]])
    #expect(try storeAll(part(all, 0..<3, of: store), in: store).reduce(0) { $0 + $1.letters } == 2)
    #expect(try storeAll(part(all, 3..<4, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try reasons == ["DigestMismatch", "DigestMismatch"])
    #expect(try scratch.read("out/a.jpg") == "put together")
    #expect(try scratch.names("out/.image-pipeline/segments") == [])
  }

  /// A consumer may wait for the lock for so long that others take its segments for old ones.
  @Test(
    "segments removed while they wait for the lock are written again", arguments: ["removed", "removed and re-created"])
  func removedSegmentsAreRewritten(how: String) throws {
    let store = try store()
    let other = try self.store()
    let parts = segments("a.jpg", "put together")
    let all = try batch(store, parts)
    #expect(try other.catalog.database.tryBegin())
    let folder = try Folder.open(scratch / "out/.image-pipeline/segments")
    var removed: [String] = []
    guard
      case .stored = try store.store(
        part(all, 0..<1, of: store),
        whileWaiting: {
          removed = (try? folder.names()) ?? []
          for name in removed {
            // Held open, so that the new one cannot get its inode.
            let old = try? folder.file(name, .read)
            try? folder.remove(name)
            if how != "removed" { _ = try? scratch.write("out/.image-pipeline/segments/" + name, "xxxxxxxxxxxx") }
            withExtendedLifetime(old) {}
          }
          other.catalog.database.rollback()
          return true
        })
    else {
      Issue.record("it was not stored")
      return
    }
    #expect(removed.count == 1)
    #expect(try storeAll(part(all, 1..<2, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try reasons == [])
    #expect(try scratch.read("out/a.jpg") == "put together")
  }
}
