import OutputSupport
import StoreSupport
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import S3
@testable import Wire

/// Images in segments, whose parts are on a consumer's own host until all have arrived.
@Suite(OwnThread(), .onStores) struct BucketSegmentTests {
  private func part(_ offset: Int64, _ index: Int, _ name: String, _ content: String) -> InMemoryMessage {
    InMemoryMessage(offset, segment: index, of: name, content)
  }

  @Test("an image is assembled and stored", arguments: TestStore.all) func assembled(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store(part(0, 0, "a.jpg", "in two parts"))
      #expect(try world.images() == [:])
      try consumer.store(InMemoryMessage(1, "b.jpg", "one"), part(2, 1, "a.jpg", "in two parts"))
      #expect(try world.images() == ["a.jpg": "in two parts", "b.jpg": "one"])
      #expect(try world.rows() == ["b.jpg@1", "a.jpg@2"])
      // Sent again, it changes nothing.
      let again = try consumer.store(part(3, 0, "a.jpg", "in two parts"), part(4, 1, "a.jpg", "in two parts")).stored
      #expect(again?.unchanged == 1 && again?.images.isEmpty == true)
      // Another version does.
      let other = try consumer.store(part(5, 0, "a.jpg", "other parts"), part(6, 1, "a.jpg", "other parts")).stored
      #expect(other?.replaced == ["a.jpg"])
      #expect(try world.rows() == ["b.jpg@1", "a.jpg@2", "a.jpg@6"])
    }
  }

  @Test("another consumer reads the parts again that have arrived", arguments: TestStore.all)
  func recovery(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      try victim.store(part(0, 0, "a.jpg", "in two parts"), InMemoryMessage(1, "b.jpg", "one"))
      try victim.store(part(2, 0, "c.jpg", "also in two"))
      // The log's newest batch is also its checkpoint.
      victim.output.state.confirmed([0: 3], of: victim.topic)
      #expect(eventually { try world.client.perform(.head(world.log().layout.checkpoint)).status == 200 })
      let successor = try world.consumer()
      successor.output.state.restore = { topic, partition, offsets, known in
        #expect(topic == "t" && partition == 0 && offsets == [0..<1, 2..<3])
        try successor.output.store.restore(
          [self.part(0, 0, "a.jpg", "in two parts"), self.part(2, 0, "c.jpg", "also in two")], of: known)
      }
      try successor.assign()
      try successor.store(part(3, 1, "c.jpg", "also in two"), part(4, 1, "a.jpg", "in two parts"))
      #expect(try world.images() == ["a.jpg": "in two parts", "b.jpg": "one", "c.jpg": "also in two"])
      #expect(try world.rows() == ["b.jpg@1", "c.jpg@3", "a.jpg@4"])
      #expect(try world.log().notes(of: #require(try world.log().end().last)).open == [])
    }
  }

  @Test("parts that are sent again do not wait for others when a newer version is sent ahead", arguments: TestStore.all)
  func newerVersionAhead(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store(part(0, 0, "a.jpg", "in two parts"), part(1, 1, "a.jpg", "in two parts"))
      try consumer.store(part(2, 0, "a.jpg", "in two parts"))
      try consumer.upload(InMemoryMessage(4, "a.jpg", "newer"))
      try consumer.store(part(3, 1, "a.jpg", "in two parts"))
      #expect(try world.log().notes(of: #require(try world.log().end().last)).open == [])
      try consumer.store(InMemoryMessage(4, "a.jpg", "newer"))
      #expect(try world.images() == ["a.jpg": "newer"])
      #expect(try world.rows() == ["a.jpg@1", "a.jpg@4"])
    }
  }

  @Test(
    "an image that was prepared before another of its name was assembled is compared with that",
    arguments: TestStore.all)
  func preparedBefore(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign()
      try consumer.store(InMemoryMessage(0, "a.jpg", "one"))
      try consumer.store(
        part(1, 0, "a.jpg", "in two parts"), part(2, 1, "a.jpg", "in two parts"), InMemoryMessage(3, "a.jpg", "one"))
      #expect(try world.images() == ["a.jpg": "one"])
      #expect(try world.rows() == ["a.jpg@0", "a.jpg@2", "a.jpg@3"])
    }
  }

  @Test("an image that was stored and is not in the log has its row afterwards", arguments: TestStore.all)
  func crashBeforeTheLog(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let victim = try world.consumer()
      try victim.assign()
      let other = try world.consumer()
      try other.assign()
      // The victim loses the race for the log, after it has stored the image.
      try other.store(InMemoryMessage(0, "b.jpg", "one"))
      let all = [InMemoryMessage(0, "b.jpg", "one"), part(1, 0, "a.jpg", "in two"), part(2, 1, "a.jpg", "in two")]
      #expect(try victim.store(all[0], all[1], all[2]).isFenced)
      #expect(try world.images()["a.jpg"] == "in two")
      try other.store(all[1], all[2])
      #expect(try world.rows() == ["b.jpg@0", "a.jpg@2"])
    }
  }
}
