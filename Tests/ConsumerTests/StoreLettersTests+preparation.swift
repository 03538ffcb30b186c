import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Platform

/// Batches that are prepared while others are being stored.
extension StoreLettersTests {
  private var temporaries: [String] { get throws { try scratch.names("out/.image-pipeline/consumer-1/incoming") } }

  @Test("a batch prepared ahead is stored after the one before") func preparedBatchFollows() throws {
    let store = try store()
    let all = try batch(
      store, [image("a.jpg", "old"), image("b.jpg", "b"), image("a.jpg", "new"), image("c.jpg", "c")])
    let first = try part(all, 0..<2, of: store)
    var second = try part(all, 2..<4, of: store)
    let (one, other) = (store.begin(first), store.begin(second))
    guard case .stored = try store.store(first, [one], whileWaiting: { true }) else { throw TestFailure() }
    #expect(try scratch.read("out/a.jpg") == "old" && temporaries.count == 2)
    second.base = [0: try store.catalog.position(all.topic, partition: 0)]
    guard case .stored(let stored) = try store.store(second, [other], whileWaiting: { true }) else {
      throw TestFailure()
    }
    #expect(stored.images.map(\.name) == ["a.jpg", "c.jpg"])
    #expect(try scratch.read("out/a.jpg") == "new")
    #expect(try temporaries == [])
  }

  @Test("a batch leaves no temporary files, whatever becomes of it") func temporaryFilesDoNotStay() throws {
    let store = try store()
    let all = try batch(store, [image("a.jpg", "a"), image("b.jpg", "b"), image("a.jpg", "a")])
    // The batch is abandoned.
    store.abandon(store.begin(all))
    #expect(try temporaries == [])
    // The disk fails.
    try failAtTheCSVFile(all, in: store)
    #expect(try temporaries == [])
    // Another consumer has stored it.
    let foreign = ImageStore.Batch(
      topic: all.topic, messages: all.messages, base: [0: .some(Catalog.Position(next: 7, last: nil))])
    guard case .fenced = try store.store(foreign, [store.begin(foreign)], whileWaiting: { true }) else {
      throw TestFailure()
    }
    #expect(try temporaries == [])
    // One of its images exists already.
    #expect(try storeAll(all, in: store).map(\.unchanged) == [1])
    #expect(try temporaries == [])
  }

  @Test("a missing temporary file is prepared again by the next attempt") func missingFileIsPreparedAgain() throws {
    let store = try store()
    let all = try batch(store, [image("a.jpg", "a")])
    let incoming = scratch / "out/.image-pipeline/consumer-1/incoming"
    let preparation = store.begin(all)
    _ = try? preparation.finish()
    for name in try temporaries { try Folder.open(incoming).remove(name) }
    #expect(throws: SystemError.self) { try store.store(all, [preparation], whileWaiting: { true }) }
    #expect(try storeAll(all, in: store).map(\.images.count) == [1])
    #expect(try scratch.read("out/a.jpg") == "a")
  }

  // MARK: Many images, whose files have no names at first

  /// As many as are synced together.
  private var many: [Sent] { (0..<40).map { image("\($0 % 3)/\($0).jpg", "image \($0)") } }

  @Test("many images are stored like few, and replace former ones") func manyImagesAreStored() throws {
    try scratch.write("out/0/0.jpg", "former")
    let store = try store()
    let all = try batch(store, many)
    let preparation = store.begin(all, releasing: true)
    _ = try preparation.finish()
    if try Folder.open(scratch / "out").fileSystem.linksSyncedFiles { #expect(try temporaries == []) }
    guard case .stored(let stored) = try store.store(all, [preparation], whileWaiting: { true }) else {
      throw TestFailure()
    }
    #expect(stored.images.count == 40)
    for number in 0..<40 { #expect(try scratch.read("out/\(number % 3)/\(number).jpg") == "image \(number)") }
    #expect(try temporaries == [])
  }

  @Test("many images leave nothing if their batch is abandoned, or its transaction fails") func manyImagesLeaveNothing()
    throws
  {
    let store = try store()
    let all = try batch(store, many)
    store.abandon(store.begin(all))
    #expect(try temporaries == [])
    try failAtTheCSVFile(all, in: store)
    #expect(try temporaries == [])
    // The images of the failed transaction have their names. They are replaced by the same ones.
    #expect(try storeAll(all, in: store).map(\.images.count) == [40])
    #expect(try temporaries == [])
  }

  @Test("the memory of messages is free as soon as they are in files") func memoryIsFreeEarly() throws {
    let store = try store()
    let memory = MemoryUse()
    var all = try batch(store, many)
    let size = all.messages.reduce(0) { $0 + $1.size }
    for isReleasing in [false, true] {
      all.memory = memory.share(size + 100)
      let preparation = store.begin(all, releasing: isReleasing)
      _ = try preparation.finish()
      // The rest stands for messages that become dead letters.
      #expect(memory.bytes == (isReleasing ? 100 : size + 100) && all.isReleased == isReleasing)
      store.abandon(preparation)
    }
    all.memory = memory.share(100)
    all.memory = nil
    #expect(memory.bytes == 0, "a batch that is dropped needs no memory")
  }

  // MARK: Of which nothing but their files is kept

  @Test("written messages free their memory, dead letters do not") func writtenMessagesFreeMemory() throws {
    let store = try store()
    let sent = [image("a.jpg", "a"), image("../b.jpg", "b"), segments("c.jpg", "cc")[0]]
    let all = try batch(store, sent)
    let keys = all.messages.map { $0.mark }
    let preparation = store.begin(all, releasing: true)
    _ = try preparation.finish()
    #expect(all.messages.map(\.isReleased) == [true, false, true] && all.isReleased)
    #expect(all.messages.map(\.mark) == keys)
    guard case .stored(let stored) = try store.store(all, [preparation], whileWaiting: { true }) else {
      throw TestFailure()
    }
    #expect(stored.images.map(\.name) == ["a.jpg"] && stored.letters == 1 && !stored.remainder.isUnreadable)
    #expect(try letterKeys == ["../b.jpg"])
    #expect(try temporaries == [])
  }

  @Test("messages after a released one that cannot be stored are read again") func releasedMessagesAreReadAgain() throws
  {
    let store = try store()
    _ = try scratch.makeFolder("out/b.jpg")
    let all = try batch(
      store, [image("a.jpg", "a"), image("b.jpg", "b"), image("../c.jpg", "c"), image("d.jpg", "d")])
    guard case .stored(let stored) = try store.store(all, [store.begin(all, releasing: true)], whileWaiting: { true })
    else { throw TestFailure() }
    #expect(stored.remainder.isUnreadable && stored.images.map(\.name) == ["a.jpg"])
    #expect(stored.positions[0]?.next == 1)
    #expect(try temporaries == [] && reasons.count == 1, "the letter that needs nothing is there")

    // Read again, it becomes a dead letter, and the other one gets no second letter.
    let read = ImageStore.Batch(topic: all.topic, messages: try messages(), base: [:])
    let again = try storeAll(part(read, 1..<4, of: store), in: store)
    #expect(again.flatMap(\.images).map(\.name) == ["d.jpg"] && again.reduce(0) { $0 + $1.letters } == 2)
    #expect(try letterKeys == ["b.jpg", "../c.jpg"])
    #expect(try temporaries == [])
  }

  @Test("ready batches are stored together, up to the limits") func readyBatchesAreJoined() throws {
    let store = try store()
    let all = try batch(store, (0..<6).map { image("\($0).jpg", "\($0)") })
    func ahead(_ preparations: [Preparation]) throws -> PreparedBatches {
      var ahead = PreparedBatches()
      for (number, preparation) in preparations.enumerated() {
        let ticket = BatchTicket(epoch: number < 5 ? 1 : 2, numbers: number...number)
        ahead.append(ticket, try part(all, number..<number + 1, of: store), preparation)
        _ = preparation.waitForSuccess()
      }
      return ahead
    }
    func taken(_ ahead: inout PreparedBatches, _ images: Int) -> [Int64]? {
      ahead.takeFirst(upTo: images)?.batch.messages.map(\.offset)
    }
    let ready = { Preparation { [] } }
    var six = try ahead((0..<6).map { _ in ready() })
    #expect(six.messages == 6 && !six.isBusy)
    #expect(taken(&six, 2) == [0, 1])
    #expect(taken(&six, 9) == [2, 3, 4])
    #expect(six.takeAll { $0.epoch != 2 }.isEmpty && six.takeAll { $0.epoch != 3 }.count == 1 && six.isEmpty)

    var failing = try ahead([ready(), Preparation { throw TestFailure() }, ready()])
    let first = failing.takeFirst(upTo: 9)
    #expect(first?.batch.messages.map(\.offset) == [0] && first?.ticket.numbers == 0...0)
    #expect(taken(&failing, 9) == [1], "what fails is tried again alone")
    #expect(failing.takeAll().count == 1 && failing.isEmpty)
  }
}

private struct TestFailure: Error {}
