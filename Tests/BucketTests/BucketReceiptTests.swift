import OutputSupport
import StoreSupport
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import Platform
@testable import S3
@testable import Wire

/// Receipts of a consumer that is gone.
@Suite(OwnThread(), .onStores) struct BucketReceiptTests {
  private func sending(_ consumer: BucketConsumer) throws {
    consumer.output.store.outbox = try ReceiptOutbox(
      consumer.output.store.catalog, consumer.topic, "t", slot: consumer.output.store.slot, notesSent: true)
  }

  /// The receipts that the next consumer sends again.
  private func resent(_ world: BucketWorld) throws -> [Receipt] {
    let successor = try world.consumer()
    var receipts: [Receipt] = []
    successor.output.state.resend = { receipts += $0 }
    try successor.assign()
    return receipts
  }

  @Test("receipts that may not have been sent are made again from the log", arguments: TestStore.all)
  func resending(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try sending(victim)
      try victim.assign()
      try victim.store(InMemoryMessage(3, "cat/a.jpg", "one"), InMemoryMessage(4, "b.jpg", "one"))
      try victim.store(
        InMemoryMessage(5, "b.jpg", "one"), InMemoryMessage(6, "../c.jpg", "x"), InMemoryMessage(7, "b.jpg", "two"))
      let receipts = try resent(world)
      #expect(receipts.map(\.offsets) == [0..<5, 5..<8])
      #expect(receipts.allSatisfy { $0.topic == "t" && $0.partition == 0 && $0.output == victim.output.state.id })
      #expect(
        receipts[0].images == [
          Receipt.Image(offset: 3, name: "cat/a.jpg", digest: digest(of: "one"), length: 3, outcome: .stored),
          Receipt.Image(offset: 4, name: "b.jpg", digest: digest(of: "one"), length: 3, outcome: .stored),
        ])
      #expect(receipts[1].images.map(\.outcome) == [.unchanged, .deadLetter(reason: "NameRefusal"), .stored])
      #expect(receipts[1].images.map(\.offset) == [5, 6, 7])
    }
  }

  @Test("an image that is stored under another name is confirmed under its own", arguments: TestStore.all)
  func otherNames(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer(sameName: .keepBoth)
      try sending(victim)
      try victim.assign()
      try victim.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "a.jpg", "two"))
      #expect(try resent(world).flatMap(\.images).map(\.name) == ["a.jpg", "a.jpg"])
    }
  }

  @Test("receipts before the checkpoint are not sent again", arguments: TestStore.all)
  func checkpoint(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try sending(consumer)
      try consumer.assign()
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"))
      try consumer.store(InMemoryMessage(1, "b.jpg", "one"))
      let outbox = try #require(consumer.output.store.outbox)
      #expect(outbox.sentOffsets == [:])
      let rows = try outbox.rows(after: 0, atMost: 10)
      outbox.acknowledge([rows[0].id])
      #expect(outbox.sentOffsets == [0: 1])
      consumer.output.state.confirmed(outbox.sentOffsets, of: consumer.topic)
      let log = world.log()
      #expect(eventually { try world.client.perform(.head(log.layout.checkpoint)).status == 200 })
      #expect(try resent(world).map(\.offsets) == [1..<2])
      // A consumer's own receipts are in its catalog.
      var receipts: [Receipt] = []
      consumer.output.state.resend = { receipts += $0 }
      try consumer.assign()
      #expect(receipts == [])
    }
  }

  @Test("a partition whose receipts are all sent is found by its checkpoint", arguments: TestStore.all)
  func wholeCheckpoint(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"))
      let position = try #require(consumer.positions[0])
      consumer.output.state.confirmed([0: 1], of: consumer.topic)
      #expect(eventually { try world.client.perform(.head(world.log().layout.checkpoint)).status == 200 })
      let end = try world.log().end()
      #expect(end.position == position && end.last?.first == 0 && end.unconfirmed == [])
      #expect(try world.consumer().assign() == [0: position])
    }
  }
}
