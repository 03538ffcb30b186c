import OutputSupport
import StoreSupport
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import S3
@testable import Wire

/// Images in segments that are sent before the transaction, when their last segment is prepared.
@Suite(OwnThread(), .onStores) struct SegmentsAheadTests {
  private func part(
    _ offset: Int64, _ index: Int, partition: Int32 = 0, _ name: String = "a.jpg", _ content: String = "in two parts"
  ) -> InMemoryMessage {
    InMemoryMessage(offset, partition: partition, segment: index, of: name, content)
  }

  /// Of the same message and image, with other bytes.
  private func altered(_ offset: Int64, _ index: Int) -> InMemoryMessage {
    InMemoryMessage(
      offset, segment: index, of: "a.jpg", "IN TWO PARTS", id: "id of in two parts", digest: digest(of: "in two parts"))
  }

  @Test("an image is sent when its last segment is prepared", arguments: TestStore.all)
  func sentAhead(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      try victim.upload(part(0, 0))
      #expect(try world.images() == [:])
      try victim.upload(part(1, 1))
      #expect(try world.images() == ["a.jpg": "in two parts"])
      #expect(try world.rows() == [])
      // It has its row when another consumer stores these messages.
      let successor = try world.consumer()
      try successor.assign()
      let stored = try successor.store(part(0, 0), part(1, 1)).stored
      #expect(stored?.images.map(\.name) == ["a.jpg"] && stored?.unchanged == 0)
      #expect(try world.rows() == ["a.jpg@1"])
    }
  }

  @Test("a new image needs one PUT, and a look if its segments are in several batches", arguments: TestStore.all)
  func requests(_ store: TestStore) throws {
    let proxy = try StoreProxy(to: store.endpoint) { _ in .pass }
    defer { proxy.close() }
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(through: proxy.address)
      try consumer.assign()
      func methods(_ name: String) -> [String] {
        proxy.requests.filter { $0.target.hasSuffix("/" + name) }.map(\.method)
      }
      try consumer.store(part(0, 0), part(1, 1))
      #expect(methods("a.jpg") == ["PUT"])
      try consumer.store(part(2, 0, "b.jpg", "also in two"))
      try consumer.store(part(3, 1, "b.jpg", "also in two"))
      #expect(methods("b.jpg") == ["HEAD", "PUT"])
      #expect(try world.rows() == ["a.jpg@1", "b.jpg@3"])
    }
  }

  @Test("bytes that arrive after an image was sent do not spoil it", arguments: TestStore.all)
  func alteredLater(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      let first = consumer.output.store.begin(consumer.batch([part(0, 0), part(1, 1)]))
      _ = try first.finish()
      try consumer.upload(altered(2, 1))
      try consumer.store([part(0, 0), part(1, 1)], first)
      try consumer.store(altered(2, 1))
      #expect(try world.images() == ["a.jpg": "in two parts"])
      #expect(try world.rows() == ["a.jpg@1"])
      #expect(consumer.letters.delivered.isEmpty)
    }
  }

  @Test("an image whose bytes are not as announced is not sent", arguments: TestStore.all)
  func alteredBefore(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      consumer.output.store.assembler.reread = { _, _, offset in self.part(offset, Int(offset)) }
      try consumer.upload(part(0, 0), altered(1, 1))
      #expect(try world.images() == [:])
      try consumer.store(part(0, 0), altered(1, 1))
      let refused = consumer.letters.delivered.map(\.message.offset)
      #expect(refused == [0, 1])
      #expect(try world.images() == [:])
    }
  }

  @Test("versions of one image each have a row, in one batch and in several", arguments: TestStore.all)
  func versions(_ store: TestStore) throws {
    let all = [
      [InMemoryMessage(0, "a.jpg", "one")], [part(1, 0)], [part(2, 1)], [InMemoryMessage(3, "a.jpg", "one")],
      [part(4, 0)], [part(5, 1), part(6, 0, "a.jpg", "other parts")], [part(7, 1, "a.jpg", "other parts")],
    ]
    for batches in [all, [all.flatMap { $0 }]] {
      try BucketWorld.with(store) { world in
        let consumer = try world.consumer()
        try consumer.assign()
        try consumer.store(batches)
        #expect(try world.images() == ["a.jpg": "other parts"])
        let rows = try world.rows()
        #expect(rows == ["a.jpg@0", "a.jpg@2", "a.jpg@3", "a.jpg@5", "a.jpg@7"], "\(batches.count) batches")
      }
    }
  }

  @Test("an image that is stored already has no second row, and its segments are not kept", arguments: TestStore.all)
  func unchanged(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store([part(0, 0), part(1, 1)], [part(2, 0), part(3, 1)], [part(4, 0)], [part(5, 1)])
      #expect(try world.rows() == ["a.jpg@1"])
      #expect(try world.log().notes(of: #require(try world.log().end().last)).open == [])
      #expect(try consumer.output.store.segments.folder.names() == [])
    }
  }

  @Test("the bytes of an image that is stored already are not sent again", arguments: TestStore.all)
  func notSentAgain(_ store: TestStore) throws {
    let proxy = try StoreProxy(to: store.endpoint) { _ in .pass }
    defer { proxy.close() }
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(through: proxy.address)
      try consumer.assign()
      try consumer.store(part(0, 0), part(1, 1))
      let before = proxy.requests.count { $0.target.hasSuffix("/a.jpg") }
      try consumer.store([part(2, 0)], [part(3, 1)])
      try consumer.store(part(4, 0))
      try consumer.store(part(5, 1))
      let methods = proxy.requests.filter { $0.target.hasSuffix("/a.jpg") }.dropFirst(before).map(\.method)
      #expect(methods == ["HEAD", "HEAD"])
      #expect(try world.rows() == ["a.jpg@1"])
    }
  }

  @Test(
    "images wait for the transaction while an earlier version of their name may still be incomplete",
    arguments: TestStore.all)
  func late(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let one = { InMemoryMessage($0, "a.jpg", "one") }
      let victim = try world.consumer()
      try victim.assign()
      try victim.store(one(0), part(1, 0))
      let successor = try world.consumer()
      successor.output.state.restore = { _, _, _, known in
        try successor.output.store.restore([self.part(1, 0)], of: known)
      }
      try successor.assign()
      let batches = [[part(2, 1)], [one(3)], [part(4, 0), part(5, 1), one(6)], [InMemoryMessage(7, "b.jpg", "one")]]
      let preparations = batches.map { successor.output.store.begin(successor.batch($0)) }
      for preparation in preparations { _ = try preparation.finish() }
      #expect(try world.rows() == ["a.jpg@0"])
      #expect(try world.images() == ["a.jpg": "one", "b.jpg": "one"])
      for (batch, preparation) in zip(batches, preparations) { try successor.store(batch, preparation) }
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@2", "a.jpg@3", "a.jpg@5", "a.jpg@6", "b.jpg@7"])
      // They are all stored.
      try successor.upload(InMemoryMessage(8, "a.jpg", "new"))
      #expect(try world.images()["a.jpg"] == "new")
    }
  }

  @Test("keep-both stores each version", arguments: TestStore.all) func keepBoth(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(sameName: .keepBoth)
      try consumer.assign()
      let other = "other parts"
      try consumer.store([part(0, 0), part(1, 1)], [part(2, 0, "a.jpg", other)], [part(3, 1, "a.jpg", other)])
      let images = try world.images()
      #expect(images.count == 2 && images["a.jpg"] == "in two parts" && images.values.contains(other))
      #expect(try world.rows().count == 2)
    }
  }

  @Test("an image is not sent if the transaction may not find it complete", arguments: TestStore.all)
  func doubtful(_ store: TestStore) throws {
    // The last segment precedes the first, or it arrives alone. The segments are in two partitions, which another
    // consumer may get. Another image has the same segment id.
    let doubtful = [
      [[part(0, 1)], [part(1, 0)]], [[part(0, 1)]], [[part(0, 0), part(0, 1, partition: 1)]],
      [[part(0, 0, "b.jpg")], [part(1, 0)], [part(2, 1)]], [[part(0, 0), part(1, 0, "b.jpg"), part(2, 1)]],
      [[part(0, 0)], [part(1, 0)], [part(2, 1, "b.jpg")]],
    ]
    for batches in doubtful {
      try BucketWorld.with(store) { world in
        let consumer = try world.consumer()
        try consumer.assign([0, 1])
        for batch in batches { try consumer.upload(batch) }
        #expect(try world.images() == [:], "\(batches)")
      }
    }
  }

  @Test("a version between the segments of another one is not replaced by that", arguments: TestStore.all)
  func versionBetweenSegments(_ store: TestStore) throws {
    let one = InMemoryMessage(3, "a.jpg", "one")
    for batches in [[[part(2, 0)], [one], [part(4, 1)]], [[part(2, 0), one, part(4, 1)]]] {
      try BucketWorld.with(store) { world in
        let victim = try world.consumer()
        try victim.assign()
        try victim.store(part(0, 0), part(1, 1))
        for batch in batches { try victim.upload(batch) }
        // Another consumer finds that the first segment is of a stored image, and waits for the rest in vain.
        let successor = try world.consumer()
        try successor.assign()
        for message in batches.joined() { try successor.store(message) }
        #expect(try world.images() == ["a.jpg": "one"])
        #expect(try world.rows() == ["a.jpg@1", "a.jpg@3"])
      }
    }
  }

  @Test("bytes that no segment has are not part of an image", arguments: TestStore.all)
  func hole(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      // The bytes between the segments read as zeros.
      let image = [1, 1, 0, 0, 1, 1] as [UInt8]
      let parts = [(0, 0), (1, 4)].map { index, position in
        InMemoryMessage(
          Int64(index), "a.jpg", [1, 1], .init(id: "x", index: index, count: 2, position: position), of: image)
      }
      try consumer.upload(parts)
      #expect(try world.images() == [:])
      #expect(try consumer.store(parts[0], parts[1]).stored?.images.isEmpty == true)
    }
  }

  @Test("an image is not sent if there is another cut of it", arguments: TestStore.all)
  func twoCuts(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      func segment(_ offset: Int64, _ name: String, _ index: Int, of count: Int) -> InMemoryMessage {
        let size = 6 / count
        return InMemoryMessage(
          offset, name, Array(repeating: 7, count: size),
          .init(id: "x", index: index, count: count, position: index * size), of: Array(repeating: 7, count: 6))
      }
      try consumer.upload([
        segment(0, "a.jpg", 0, of: 3), segment(1, "b.jpg", 0, of: 2), segment(2, "b.jpg", 1, of: 2),
        segment(3, "a.jpg", 1, of: 3), segment(4, "a.jpg", 2, of: 3),
      ])
      #expect(try world.images() == [:])
    }
  }

  @Test("a version that the store refuses does not keep others from being stored", arguments: TestStore.all)
  func refusedVersion(_ store: TestStore) throws {
    let tooLarge = "<Error><Code>EntityTooLarge</Code></Error>"
    let proxy = try StoreProxy(to: store.endpoint) { request in
      let isAssembled = request.headers["x-amz-meta-sha256"] == digest(of: "in two parts").hex
      return request.method == "PUT" && isAssembled ? .answer(status: 400, body: tooLarge) : .pass
    }
    defer { proxy.close() }
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer(through: proxy.address)
      try consumer.assign()
      consumer.output.store.assembler.reread = { _, _, offset in self.part(offset, Int(offset) - 1) }
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"), part(1, 0), part(2, 1), InMemoryMessage(3, "b.jpg", "one"))
      #expect(try world.images() == ["a.jpg": "one", "b.jpg": "one"])
      #expect(consumer.letters.delivered.map(\.message.offset) == [1, 2])
    }
  }

  @Test(
    "a batch is stored up to a bad message and prepared again, after newer versions were sent", arguments: TestStore.all
  )
  func obstacleBetweenSegments(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store(part(0, 0, "x.jpg", "never whole"))
      // It has the segment id of another image, which only the transaction finds.
      let refused = InMemoryMessage(3, segment: 1, of: "y.jpg", "other parts", id: "id of never whole")
      let zero = { InMemoryMessage($0, "a.jpg", "zero") }
      try consumer.store([zero(1), part(2, 0), refused, part(4, 1)], [zero(5)])
      #expect(try world.images() == ["a.jpg": "zero"])
      #expect(try world.rows() == ["a.jpg@1", "a.jpg@4", "a.jpg@5"])
      #expect(consumer.letters.delivered.map(\.message.offset) == [3])
    }
  }

  @Test(
    "an image that was sent has its row, even if its segments are altered before another attempt",
    arguments: TestStore.all)
  func alteredBetweenAttempts(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      try victim.store(InMemoryMessage(0, "a.jpg", "one"), part(1, 0))
      try victim.upload(part(2, 1))
      let successor = try world.consumer()
      successor.output.state.restore = { _, _, _, known in
        try successor.output.store.restore([self.part(1, 0)], of: known)
      }
      try successor.assign()
      let batches = [[part(2, 1)], [altered(3, 1)]]
      let preparations = batches.map { successor.output.store.begin(successor.batch($0)) }
      for preparation in preparations { _ = try preparation.finish() }
      for (batch, preparation) in zip(batches, preparations) { try successor.store(batch, preparation) }
      #expect(try world.images() == ["a.jpg": "in two parts"])
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@2"])
      #expect(successor.letters.delivered.isEmpty)
    }
  }

  @Test("an image is not sent if a batch with its segments was given up", arguments: TestStore.all)
  func givenUp(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      consumer.output.store.abandon(consumer.output.store.begin(consumer.batch([part(0, 0)])))
      try consumer.upload(part(1, 1))
      #expect(try world.images() == [:])
    }
  }
}
