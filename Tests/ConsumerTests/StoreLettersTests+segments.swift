import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Platform

/// The files of an image that comes in segments.
extension StoreLettersTests {
  /// The part of a batch that begins where the catalog is.
  func part(_ all: ImageStore.Batch, _ range: Range<Int>, of store: ImageStore) throws -> ImageStore.Batch {
    ImageStore.Batch(
      topic: all.topic, messages: Array(all.messages[range]),
      base: [0: try store.catalog.position(all.topic, partition: 0)])
  }

  @Test func aSegmentFileThatWasOfNoUseIsKeptForTheSegmentThatComesBehind() throws {
    let store = try store()
    let parts = segments("a.jpg", "put together")
    let all = try batch(
      store, [parts[0], parts[1], parts[0], image("a.jpg", "in between"), parts[0], parts[1]])
    #expect(try storeAll(part(all, 0..<2, of: store), in: store).flatMap(\.images).count == 1)
    // It stands when the third comes, and does not any more when the fifth does.
    #expect(try storeAll(part(all, 2..<5, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try storeAll(part(all, 5..<6, of: store), in: store).flatMap(\.images).count == 1)
    #expect(try reasons == [])
    #expect(try scratch.read("out/a.jpg") == "put together")
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 4)
    #expect(try scratch.names("out/.image-pipeline/segments") == [])
  }

  @Test func aSegmentBehindTheLettersOfItsImageIsKept() throws {
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

  /// Who waits for the lock has written its segments long before: they may be too old by then for another consumer.
  @Test(arguments: ["removed", "removed and made anew"])
  func segmentsThatAreRemovedWhileTheyWaitForTheLockAreWrittenAgain(how: String) throws {
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
            // Held, so that the new one cannot have its inode.
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
