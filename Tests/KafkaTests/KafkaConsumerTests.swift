import TestSupport
import Testing

@testable import Kafka

/// One consumer: offsets, seeks, pauses, events.
@Suite(.ownThread) struct KafkaConsumerTests {
  @Test("a consumer starts at the given offsets and reports the ends of partitions") func startOffsetsAreUsed() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 3)
    for partition in Int32(0)..<3 { try fill(cluster, "images", partition: partition, ["a", "b", "c"]) }
    let consumer = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    var asked: [[Int32]] = []
    consumer.onAssigned = { partitions in
      asked.append(partitions)
      return [0: .beginning, 1: .at(2)]  // 2 has no answer: it starts at the beginning.
    }
    var revoked: [[Int32]] = []
    consumer.onRevoked = { revoked.append($0.sorted()) }
    try consumer.subscribe()
    #expect(consumer.assignment.isEmpty)
    var seen = Seen()
    seen.poll(consumer) { $0.ends.count == 3 }
    #expect(asked.map { $0.sorted() } == [[0, 1, 2]])
    #expect(consumer.assignment == [0, 1, 2])
    #expect(seen.messages.filter { $0.partition == 0 }.map(\.text) == ["a", "b", "c"])
    #expect(seen.messages.filter { $0.partition == 1 }.map(\.text) == ["c"])
    #expect(seen.messages.filter { $0.partition == 2 }.map(\.text) == ["a", "b", "c"])
    #expect(seen.ends == [0: 3, 1: 3, 2: 3])
    #expect(seen.failures.isEmpty)

    // The end is reported again after each later message.
    seen.ends = [:]
    try fill(cluster, "images", partition: 1, ["d"])
    seen.poll(consumer) { $0.ends[1] != nil }
    #expect(seen.texts.last == "d" && seen.ends == [1: 4])

    consumer.unsubscribeAndClose()
    consumer.unsubscribeAndClose()
    #expect(revoked == [[0, 1, 2]])
    #expect(consumer.assignment.isEmpty && consumer.poll(maximum: 1, timeout: .zero).isEmpty)
    #expect(throws: KafkaError.self) { try consumer.seek(partition: 0, to: .beginning) }
  }

  @Test("a missing offset is an event, and a seek fixes it") func missingOffsetIsAnEvent() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    try fill(cluster, "images", partition: 0, ["a", "b"])
    try fill(cluster, "images", partition: 1, ["c"])
    let consumer = try joined(groupSettings(cluster, group: "g"), "images", [0: .at(700), 1: .at(0)])
    var seen = Seen()
    seen.poll(consumer) { $0.outOfRange[0] != nil && $0.ends[1] != nil }
    #expect(seen.texts == ["c"], "the other partition goes on, and nothing is replaced in silence")
    let error = try #require(seen.outOfRange[0])
    #expect(error.isOffsetOutOfRange && error.context.hasPrefix("topic images, partition 0"))
    try consumer.seek(partition: 0, to: .at(1))
    seen.poll(consumer) { $0.ends[0] != nil }
    seen.take(consumer.poll(maximum: 100, timeout: .milliseconds(100)))
    #expect(seen.texts == ["c", "b"], "the other partition is not read twice")
    consumer.unsubscribeAndClose()
  }

  @Test("a seek goes forward and back") func seekGoesBackAndForth() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let texts = (0..<50).map { "\($0)" }
    try fill(cluster, "images", texts)
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    var seen = Seen()
    // Some are read, the others already fetched: none of those may show up after the seek.
    seen.poll(consumer, maximum: 5) { $0.messages.count >= 5 }
    try consumer.seek(partition: 0, to: .at(40))
    seen = Seen()
    seen.poll(consumer) { $0.ends[0] != nil }
    #expect(seen.texts == Array(texts[40...]))
    try consumer.seek(partition: 0, to: .beginning)
    seen = Seen()
    seen.poll(consumer) { $0.ends[0] != nil }
    #expect(seen.texts == texts)
    let error = #expect(throws: KafkaError.self) { try consumer.seek(partition: 9, to: .beginning) }
    #expect(error?.context == "topic images, partition 9")
    consumer.unsubscribeAndClose()
  }

  @Test("a seek drops messages that no poll has returned yet") func seekDropsTakenMessages() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let texts = (0..<50).map { "\($0)" }
    try fill(cluster, "images", texts)
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    defer { consumer.unsubscribeAndClose() }
    // A question takes the client's events, and keeps the messages among them for the next poll.
    #expect(
      eventually {
        _ = consumer.lastTrouble()
        return consumer.positions[0, default: 0] > 0
      })
    try consumer.seek(partition: 0, to: .at(40))
    var seen = Seen()
    seen.poll(consumer) { $0.ends[0] != nil }
    #expect(seen.texts == Array(texts[40...]))
  }

  @Test("pausing loses and duplicates nothing") func pausingLosesNothing() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    let texts = (0..<200).map { "\($0)" }
    try fill(cluster, "images", partition: 0, texts)
    try fill(cluster, "images", partition: 1, texts)
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    var seen = Seen()
    // Even before anything was read.
    _ = eventually {
      seen.take(consumer.poll(maximum: 1, timeout: .milliseconds(50)))
      return !consumer.assignment.isEmpty
    }
    for count in [1, 1, 8, 30, 61, 200] {
      try consumer.resumeAll()
      try consumer.resumeAll()
      let goal = min(400, seen.messages.count + count)
      seen.poll(consumer, maximum: 7) { $0.messages.count >= goal }
      try consumer.pauseAll()
      try consumer.pauseAll()
      let before = seen.messages.count
      for _ in 0..<3 { seen.take(consumer.poll(maximum: 100, timeout: .milliseconds(20))) }
      #expect(seen.messages.count == before, "nothing comes while paused")
    }
    try consumer.resumeAll()
    seen.poll(consumer) { $0.messages.count >= 400 }
    seen.take(consumer.poll(maximum: 100, timeout: .milliseconds(100)))
    for partition in Int32(0)..<2 {
      #expect(seen.messages.filter { $0.partition == partition }.map(\.text) == texts)
    }
    consumer.unsubscribeAndClose()
  }

  @Test("a poll returns as soon as there is a message") func pollReturnsEarly() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a"])
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    let start = ContinuousClock.now
    var seen = Seen()
    for _ in 0..<4 where seen.messages.isEmpty {
      seen.take(consumer.poll(maximum: 1000, timeout: patience))
    }
    #expect(seen.texts == ["a"])
    #expect(ContinuousClock.now - start < patience, "a batch is not waited for until it is full")
    consumer.unsubscribeAndClose()
  }

  @Test("a missing topic is a failure that names it") func missingTopicIsNamed() throws {
    let cluster = try EmbeddedCluster()
    cluster.setTopicError("nowhere", 3)
    let consumer = try joined(groupSettings(cluster, group: "g"), "nowhere")
    var seen = Seen()
    seen.poll(consumer) { !$0.failures.isEmpty }
    let error = try #require(seen.failures.first)
    #expect(error.isUnknownTopic && !error.isFatal)
    #expect(error.context == "topic nowhere")
    consumer.unsubscribeAndClose()
  }

  @Test("closing a consumer is bounded without a broker") func closeIsBoundedWithoutABroker() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a"])
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    var revoked: [Int32] = []
    consumer.onRevoked = { revoked += $0 }
    var seen = Seen()
    seen.poll(consumer) { $0.messages.count == 1 }
    cluster.setDown(true)
    consumer.commit([0: 1])
    let error = #expect(throws: KafkaError.self) { try consumer.commitAndWait([0: 1], timeout: .milliseconds(50)) }
    #expect(error?.context.hasPrefix("commit of topic images") == true)
    let start = ContinuousClock.now
    consumer.unsubscribeAndClose()
    #expect(ContinuousClock.now - start < .seconds(11))
    #expect(revoked == [0])
  }

  @Test("a forgotten consumer closes itself") func forgottenConsumerClosesItself() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["a"])
    var consumer: KafkaConsumer? = try joined(groupSettings(cluster, group: "g"), "images")
    var seen = Seen()
    seen.poll(consumer!) { $0.messages.count == 1 }
    consumer = nil
    #expect(seen.texts == ["a"])
  }
}
