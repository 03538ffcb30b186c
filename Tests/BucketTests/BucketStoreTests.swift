import OutputSupport
import Platform
import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import S3
@testable import Wire

/// Consumers of an output in a bucket, on real stores.
@Suite(OwnThread(), .onStores) struct BucketStoreTests {
  @Test("images are objects, and each version has one row", arguments: TestStore.all)
  func roundTrip(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      #expect(try consumer.assign() == [:])
      let first = try #require(
        try consumer.store(InMemoryMessage(0, "cat/a.jpg", "one"), InMemoryMessage(1, "b.jpg", "")).stored)
      #expect(first.images.count == 2 && first.replaced == [])
      let second = try #require(
        try consumer.store(
          InMemoryMessage(2, "cat/a.jpg", "one"), InMemoryMessage(3, "cat/a.jpg", "two"),
          InMemoryMessage(4, "cat/a.jpg", "two"), InMemoryMessage(5, "cat/a.jpg", "one")
        ).stored)
      #expect(second.unchanged == 2 && second.replaced == ["cat/a.jpg", "cat/a.jpg"])
      #expect(try world.images() == ["cat/a.jpg": "one", "b.jpg": ""])
      #expect(try world.rows() == ["cat/a.jpg@0", "b.jpg@1", "cat/a.jpg@3", "cat/a.jpg@5"])
      #expect(try consumer.assign()[0]?.next == 6)
    }
  }

  @Test("another consumer continues where the log ends", arguments: TestStore.all)
  func successor(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let first = try world.consumer()
      try first.assign([0, 1])
      try first.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(7, partition: 1, "b.jpg", "one"))
      let second = try world.consumer()
      #expect(second.output.state.id == first.output.state.id)
      let positions = try second.assign([0, 1, 2])
      #expect(positions.mapValues(\.next) == [0: 1, 1: 8] && positions == first.positions)
      #expect(positions[1]?.last?.offset == 7)
    }
  }

  @Test("of two consumers at one position, one stores", arguments: TestStore.all)
  func fence(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let (first, second) = (try world.consumer(), try world.consumer())
      try first.assign()
      try second.assign()
      #expect(try first.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "b.jpg", "one")).stored != nil)
      #expect(try second.store(InMemoryMessage(0, "a.jpg", "one")).isFenced)
      #expect(try second.assign()[0]?.next == 2)
      #expect(try second.store(InMemoryMessage(2, "a.jpg", "two")).stored != nil)
      #expect(try first.store(InMemoryMessage(2, "a.jpg", "two")).isFenced)
      #expect(try world.rows() == ["a.jpg@0", "b.jpg@1", "a.jpg@2"])
    }
  }

  @Test("a batch whose images are stored and which is not in the log is stored again", arguments: TestStore.all)
  func crashBeforeTheLog(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      try victim.store(InMemoryMessage(0, "a.jpg", "one"))
      try victim.upload(InMemoryMessage(1, "a.jpg", "two"), InMemoryMessage(2, "b.jpg", "one"))
      let successor = try world.consumer()
      try successor.assign()
      let stored = try successor.store(InMemoryMessage(1, "a.jpg", "two"), InMemoryMessage(2, "b.jpg", "one")).stored
      #expect(stored?.images.count == 2 && stored?.replaced == ["a.jpg"])
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@1", "b.jpg@2"])
      #expect(try world.images() == ["a.jpg": "two", "b.jpg": "one"])
    }
  }

  @Test("versions that are stored again after a newer one was sent are told apart", arguments: TestStore.all)
  func crashWithSeveralVersions(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      try victim.store(InMemoryMessage(0, "a.jpg", "one"))
      // Several batches are sent before the first of them is in the log.
      try victim.upload(InMemoryMessage(1, "a.jpg", "one"), InMemoryMessage(2, "a.jpg", "two"))
      try victim.upload(InMemoryMessage(3, "a.jpg", "two"))
      try victim.upload(InMemoryMessage(4, "a.jpg", "three"))
      let successor = try world.consumer()
      try successor.assign()
      // In other batches than before.
      for message in [(1, "one"), (2, "two"), (3, "two"), (4, "three")] {
        try successor.store(InMemoryMessage(Int64(message.0), "a.jpg", message.1))
      }
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@2", "a.jpg@4"])
      #expect(try world.images() == ["a.jpg": "three"])
    }
  }

  @Test("a consumer that wakes too late changes nothing", arguments: TestStore.all)
  func lateConsumer(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let (late, other) = (try world.consumer(), try world.consumer())
      try late.assign()
      try late.store(InMemoryMessage(0, "a.jpg", "zero"))
      try other.assign()
      try other.store(InMemoryMessage(1, "a.jpg", "one"), InMemoryMessage(2, "b.jpg", "one"))
      try other.store(InMemoryMessage(3, "a.jpg", "three"))
      #expect(try late.store(InMemoryMessage(1, "a.jpg", "one"), InMemoryMessage(2, "b.jpg", "one")).isFenced)
      #expect(try world.images() == ["a.jpg": "three", "b.jpg": "one"])
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@1", "b.jpg@2", "a.jpg@3"])
    }
  }

  @Test("an object of another program is replaced, and its bytes are not trusted", arguments: TestStore.all)
  func foreignObject(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let bytes = Array("one".utf8)
      _ = try world.client.perform(
        .put("\(world.prefix)/a.jpg", .bytes(bytes), digest: bytes.withUnsafeBytes { SHA256.hash($0) }))
      let consumer = try world.consumer()
      try consumer.assign()
      let stored = try consumer.store(InMemoryMessage(0, "a.jpg", "one")).stored
      #expect(stored?.replaced == ["a.jpg"])
      #expect(try world.rows() == ["a.jpg@0"])
    }
  }

  @Test("keep-both stores every version once", arguments: TestStore.all) func keepBoth(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(sameName: .keepBoth)
      try consumer.assign()
      let all = [(0, "one"), (1, "two"), (2, "one"), (3, "two")]
      let stored = try consumer.store(
        InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "a.jpg", "two"), InMemoryMessage(2, "a.jpg", "one"),
        InMemoryMessage(3, "a.jpg", "two")
      ).stored
      let other = try ImageName("a.jpg").alternatives(digest(of: "two"))[0].value
      #expect(stored?.unchanged == 2 && stored?.keptBoth.map(\.storedAs) == [other])
      #expect(try world.images() == ["a.jpg": "one", other: "two"])
      #expect(try world.rows() == ["a.jpg@0", "\(other)@1"])
      let successor = try world.consumer(sameName: .keepBoth)
      try successor.assign()
      for (offset, content) in all {
        try successor.store(InMemoryMessage(Int64(offset) + 4, "a.jpg", content))
      }
      #expect(try world.rows().count == 2)
    }
  }

  @Test("a re-created topic has a log of its own", arguments: TestStore.all)
  func generations(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let (first, second) = (try world.consumer(), try world.consumer())
      try first.assign()
      try second.assign()
      try first.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "b.jpg", "one"))
      try first.output.state.advance(first.topic)
      try second.output.state.advance(second.topic)
      #expect(try first.assign() == [:] && second.assign() == [:])
      #expect(first.topic.generation == 2 && second.topic.generation == 2)
      // The new topic's first message is newer than all of the old one's.
      try first.store(InMemoryMessage(0, "b.jpg", "new"))
      #expect(try world.rows() == ["a.jpg@0", "b.jpg@1"])
      #expect(try world.rows(generation: 2) == ["b.jpg@0"])
      #expect(try world.images() == ["a.jpg": "one", "b.jpg": "new"])
    }
  }

  @Test("what a store cannot have as a key is a dead letter", arguments: TestStore.all)
  func refusedNames(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      // Longer than a key may be, with components that are not too long.
      let long = Array(repeating: String(repeating: "x", count: 200), count: 10).joined(separator: "/")
      let stored = try consumer.store(
        InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, long, "one"), InMemoryMessage(2, "../x", "one"),
        InMemoryMessage(3, "b.jpg", "one"), InMemoryMessage(4, ".image-pipeline\\output", "one"),
        InMemoryMessage(5, "a\\..\\..\\b", "one"), InMemoryMessage(6, segment: 0, of: long, "in two parts"),
        InMemoryMessage(7, segment: 1, of: long, "in two parts"), InMemoryMessage(8, "c\\d.jpg", "one")
      ).stored
      #expect(stored != nil)
      let refused = Set(consumer.letters.delivered.map(\.message.offset))
      #expect(refused.isSuperset(of: [2, 4, 5]) && refused.isDisjoint(with: [0, 3, 8]), "\(refused)")
      #expect(try world.consumer().output.state.id == consumer.output.state.id)
      #expect(try world.images()["b.jpg"] == "one")
      #expect(consumer.letters.delivered.contains { $0.message.offset == 2 })
      // SeaweedFS has keys of any length.
      let isStored = try world.images()[long] != nil
      #expect(isStored == refused.isDisjoint(with: [1, 6, 7]), "\(refused)")
      #expect(isStored || refused.isSuperset(of: [1, 7]), "\(refused)")
    }
  }

  @Test("images of one name are sent in the order of their batches", arguments: TestStore.all)
  func orderOfBatches(_ store: TestStore) throws {
    let troubles = Mutex(3)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      // The first batch is slow: its image is refused a few times.
      guard request.method == "PUT", request.headers["x-amz-meta-origin"]?.contains("/0/0/") == true else {
        return .pass
      }
      return troubles.withLock {
        $0 -= 1
        return $0 >= 0 ? .answer(status: 503) : .pass
      }
    }
    defer { proxy.close() }
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(through: proxy.address)
      try consumer.assign()
      let place = consumer.output.store.place
      let batches = [InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "a.jpg", "one")].map {
        consumer.batch([$0])
      }
      let preparations = batches.map { place.begin($0, releasing: false) }
      for preparation in preparations { _ = try preparation.finish() }
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"))
      #expect(try consumer.store(InMemoryMessage(1, "a.jpg", "one")).stored?.unchanged == 1)
      #expect(try world.rows() == ["a.jpg@0"])
    }
  }

  @Test("a batch is not sent after one that could not be sent", arguments: TestStore.all)
  func failedBatch(_ store: TestStore) throws {
    let isFailing = Atomic(true)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      request.target.hasSuffix("/a.jpg") && isFailing.load(ordering: .relaxed) ? .answer(status: 403) : .pass
    }
    defer { proxy.close() }
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(through: proxy.address)
      try consumer.assign()
      let place = consumer.output.store.place
      let first = place.begin(consumer.batch([InMemoryMessage(0, "a.jpg", "one")]), releasing: false)
      let second = place.begin(consumer.batch([InMemoryMessage(1, "a.jpg", "one")]), releasing: false)
      #expect(throws: S3Error.self) { try first.finish() }
      isFailing.store(false, ordering: .relaxed)
      #expect(throws: (any Error).self) { try second.finish() }
      // Neither is a later one, until all messages are read again.
      let third = place.begin(consumer.batch([InMemoryMessage(2, "b.jpg", "one")]), releasing: false)
      #expect(throws: EarlierBatchFailed.self) { try third.finish() }
      #expect(place.mustReadAgain)
      place.restart()
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"))
      try consumer.store(InMemoryMessage(1, "a.jpg", "one"), InMemoryMessage(2, "b.jpg", "one"))
      #expect(try world.rows() == ["a.jpg@0", "b.jpg@2"])
    }
  }

  @Test("a consumer that has not noticed a re-created topic stores nothing into the old log", arguments: TestStore.all)
  func oldGeneration(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let (first, second) = (try world.consumer(), try world.consumer())
      try first.assign([0])
      try second.assign([1])
      try first.store(InMemoryMessage(0, "a.jpg", "one"))
      try first.output.state.advance(first.topic)
      #expect(try second.store(InMemoryMessage(0, partition: 1, "b.jpg", "one")).isFenced)
      #expect(try world.rows(1) == [])
      #expect(try second.assign([1]) == [:] && second.topic.generation == 2)
    }
  }

  @Test("the same bytes from two partitions are one version", arguments: TestStore.all)
  func otherPartition(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign([0, 1])
      try consumer.store(InMemoryMessage(0, partition: 1, "a.jpg", "one"))
      #expect(try consumer.store(InMemoryMessage(0, "a.jpg", "one")).stored?.unchanged == 1)
      #expect(try world.rows(0) == [] && world.rows(1) == ["a.jpg@0"])
    }
  }
}
