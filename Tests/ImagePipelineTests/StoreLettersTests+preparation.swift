import Kafka
import Platform
import Testing

@testable import ImagePipeline

/// Batches that are prepared while others are stored.
extension StoreLettersTests {
  private var temporaries: [String] { get throws { try scratch.names("out/.image-pipeline/consumer-1/incoming") } }

  @Test func aBatchThatWasPreparedAheadIsStoredAfterTheOneBeforeIt() throws {
    let store = try store()
    let all = try batch(
      store, [image("a.jpg", "old"), image("b.jpg", "b"), image("a.jpg", "new"), image("c.jpg", "c")])
    let first = try part(all, 0..<2, of: store)
    var second = try part(all, 2..<4, of: store)
    let (one, other) = (store.begin(first), store.begin(second))
    guard case .stored = try store.store(first, one, whileWaiting: { true }) else { throw TestFailure() }
    #expect(try scratch.read("out/a.jpg") == "old" && temporaries.count == 2)
    second.base = [0: try store.catalog.position(all.topic, partition: 0)]
    guard case .stored(let stored) = try store.store(second, other, whileWaiting: { true }) else { throw TestFailure() }
    #expect(stored.images.map(\.name) == ["a.jpg", "c.jpg"])
    #expect(try scratch.read("out/a.jpg") == "new")
    #expect(try temporaries == [])
  }

  @Test func whatBecomesOfABatchItsTemporaryFilesDoNotStay() throws {
    let store = try store()
    let all = try batch(store, [image("a.jpg", "a"), image("b.jpg", "b"), image("a.jpg", "a")])
    // Nobody wants it any more.
    store.abandon(store.begin(all))
    #expect(try temporaries == [])
    // The disk fails it.
    try failAtTheCSVFile(all, in: store)
    #expect(try temporaries == [])
    // It is another consumer's.
    let foreign = ImageStore.Batch(
      topic: all.topic, messages: all.messages, base: [0: .some(Catalog.Position(next: 7, last: nil))])
    guard case .fenced = try store.store(foreign, store.begin(foreign), whileWaiting: { true }) else {
      throw TestFailure()
    }
    #expect(try temporaries == [])
    // One of its images was there already.
    #expect(try storeAll(all, in: store).map(\.unchanged) == [1])
    #expect(try temporaries == [])
  }

  @Test func whereAPreparedFileIsGoneTheNextAttemptPreparesAnew() throws {
    let store = try store()
    let all = try batch(store, [image("a.jpg", "a")])
    let incoming = scratch / "out/.image-pipeline/consumer-1/incoming"
    let preparation = store.begin(all)
    _ = try? preparation.finish()
    for name in try temporaries { try Folder.open(incoming).remove(name) }
    #expect(throws: SystemError.self) { try store.store(all, preparation, whileWaiting: { true }) }
    #expect(try storeAll(all, in: store).map(\.images.count) == [1])
    #expect(try scratch.read("out/a.jpg") == "a")
  }
}

private struct TestFailure: Error {}
