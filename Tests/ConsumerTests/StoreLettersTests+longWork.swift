import Glibc
import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Platform

/// Images that take longer to read than a consumer may go without polling.
extension StoreLettersTests {
  /// Longer work must poll in between, after each piece of 1 MB.
  private static let large = String(repeating: "a large image ", count: 75_000)

  @Test("reading a large image in a transaction keeps polling and can be stopped") func largeImageKeepsPolling() throws
  {
    let store = try store()
    let other = try self.store()
    store.assembler.beat = .zero
    let batch = try batch(store, [image("good.jpg", "good")] + segments("large.png", Self.large, id: "large"))
    func isHeld() -> Bool {
      defer { other.catalog.database.rollback() }
      return (try? other.catalog.database.tryBegin()) == false
    }
    var held: [Bool] = []
    let outcome = try store.store(batch) {
      held.append(isHeld())
      return false
    }
    guard case .givenUp = outcome else {
      Issue.record("it did not end: \(outcome)")
      return
    }
    #expect(held == [true])
    #expect(!isHeld())
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 1)
    #expect(try scratch.names("out/.image-pipeline/consumer-1/incoming") == [])
    // Nothing is lost.
    func storeAll() throws -> Int {
      var polls = 0
      let outcome = try store.store(batch) {
        polls += 1
        return true
      }
      guard case .stored(let stored) = outcome else {
        Issue.record("it was not stored")
        return 0
      }
      #expect(stored.images.count + stored.unchanged == 2)
      return polls
    }
    #expect(try storeAll() >= 2)
    #expect(try scratch.read("rows.csv").split(separator: "\n").count == 3)
    #expect(try letters.isEmpty)
  }

  /// From a broken sender: right headers, wrong bytes.
  @Test("other bytes that arrive during assembly do not get into the image") func lateBytesStayOut() throws {
    let store = try store()
    store.assembler.beat = .zero
    let parts = segments("large.png", Self.large, id: "large")
    let other = (
      name: parts[0].name, bytes: [UInt8](repeating: 0, count: parts[0].bytes.count), headers: parts[0].headers
    )
    let all = try batch(store, parts + [other])
    let behind = try part(all, 2..<3, of: store)
    var polls = 0
    var late: Preparation?
    let outcome = try store.store(part(all, 0..<2, of: store)) {
      polls += 1
      // The beginning of the image has been verified by now.
      guard polls == 2 else { return true }
      late = store.begin(behind)
      let deadline = ContinuousClock.now + .milliseconds(300)
      while late?.isReady == false, ContinuousClock.now < deadline { sched_yield() }
      return true
    }
    guard case .stored(let stored) = outcome else {
      Issue.record("it was not stored")
      return
    }
    #expect(stored.images.map(\.name) == ["large.png"])
    _ = try #require(late).finish()
    #expect(try scratch.read("out/large.png") == Self.large)
  }

  @Test("comparing a repeated large image keeps polling") func comparisonKeepsPolling() throws {
    let store = try store()
    let parts = segments("large.png", Self.large, id: "large")
    let all = try batch(store, parts + parts)
    _ = try storeAll(part(all, 0..<2, of: store), in: store)
    // It looks like a restored copy, so its bytes decide.
    #expect(utimes(scratch / "out/large.png", nil) == 0)
    store.assembler.beat = .zero
    var polls = 0
    let outcome = try store.store(part(all, 2..<4, of: store)) {
      polls += 1
      return true
    }
    guard case .stored(let stored) = outcome else {
      Issue.record("it was not stored")
      return
    }
    #expect(stored.unchanged == 1)
    #expect(polls >= 2)
  }

  @Test("rereading the parts of a bad image keeps polling and can be stopped") func rereadKeepsPolling() throws {
    let store = try store()
    store.assembler.beat = .zero
    let wrong = segments("bad.jpg", "bad one", digest: digest(of: "another"))
    let batch = try batch(store, [wrong[0], image("good.jpg", "good"), wrong[1]])
    guard case .stored(let stored) = try store.store(batch, whileWaiting: { true }), let rest = stored.remainder.rest
    else {
      Issue.record("nothing was stored before the letter")
      return
    }
    var polls = 0
    store.letters.whileWaiting = {
      polls += 1
      return polls < 2
    }
    guard case .givenUp = try store.store(rest, whileWaiting: { true }) else {
      Issue.record("it did not end")
      return
    }
    #expect(polls == 2)
    store.letters.whileWaiting = { true }
    #expect(try storeAll(rest, in: store).reduce(0) { $0 + $1.letters } == 2)
    #expect(try reasons == ["DigestMismatch", "DigestMismatch"])
  }
}
