import TestSupport
import Testing

@testable import Kafka

/// Several consumers of one group, and the group's record of commits.
@Suite(.ownThread) struct GroupTests {
  /// Tests of the program look for this line of the library, and for this error.
  @Test("a consumer that does not poll is expelled from its group") func silentConsumerIsExpelled() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let facilities = Inbox<String>()
    // Not less than the session.
    var settings = groupSettings(cluster, group: "g", ["max.poll.interval.ms": "4000"])
    settings.onLog = { _, facility, _ in facilities.put(facility) }
    let consumer = try joined(settings, "images")
    defer { consumer.unsubscribeAndClose() }
    var seen = Seen()
    seen.poll(consumer) { _ in !consumer.assignment.isEmpty }
    #expect(facilities.all { $0.contains("MAXPOLL") }.contains("MAXPOLL"))
    let isExpelled = { (seen: Seen) in seen.failures.contains { $0.name == "_MAX_POLL_EXCEEDED" } }
    seen.poll(consumer, until: isExpelled)
    #expect(isExpelled(seen), "\(seen.failures)")
  }

  @Test("two consumers share partitions, and the survivor takes over") func survivorTakesOver() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 4)
    let first = try joined(groupSettings(cluster, group: "g"), "images")
    var firstSeen = Seen()
    firstSeen.poll(first) { _ in first.assignment.count == 4 }

    // A partition assigned while everything is paused stays paused.
    try first.pauseAll()
    var revocations: [[Int32]] = []
    first.onRevoked = { revocations.append($0) }
    let second = try joined(groupSettings(cluster, group: "g"), "images")
    var secondSeen = Seen()
    #expect(
      eventually {
        firstSeen.take(first.poll(maximum: 10, timeout: .milliseconds(20)))
        secondSeen.take(second.poll(maximum: 10, timeout: .milliseconds(20)))
        return first.assignment.count == 2 && second.assignment.count == 2
      })
    #expect(!revocations.isEmpty)
    #expect(Set(first.assignment + second.assignment) == [0, 1, 2, 3])

    for partition in Int32(0)..<4 { try fill(cluster, "images", partition: partition, ["p\(partition)"]) }
    #expect(
      eventually {
        firstSeen.take(first.poll(maximum: 10, timeout: .milliseconds(20)))
        secondSeen.take(second.poll(maximum: 10, timeout: .milliseconds(20)))
        return secondSeen.messages.count == 2
      })
    #expect(firstSeen.messages.isEmpty, "still paused after the rebalance")
    try first.resumeAll()
    firstSeen.poll(first) { $0.messages.count == 2 }
    #expect(Set(firstSeen.texts + secondSeen.texts) == ["p0", "p1", "p2", "p3"])

    second.unsubscribeAndClose()
    first.onAssigned = { partitions in Dictionary(uniqueKeysWithValues: partitions.map { ($0, .at(1)) }) }
    firstSeen.poll(first) { _ in first.assignment.count == 4 }
    #expect(first.assignment == [0, 1, 2, 3])
    first.unsubscribeAndClose()
  }

  @Test("a revocation drops messages that were fetched and not handed out") func revocationDropsFetched() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    let texts = (0..<300).map { "\($0)" }
    for partition in Int32(0)..<2 { try fill(cluster, "images", partition: partition, texts) }
    // Each partition's next offset, as a catalog keeps it: the assignment starts there, and each message must match.
    var positions: [Int32: Int64] = [:]
    func start(_ consumer: KafkaConsumer) throws {
      consumer.onAssigned = { partitions in
        Dictionary(uniqueKeysWithValues: partitions.map { ($0, .at(positions[$0] ?? 0)) })
      }
      try consumer.subscribe()
    }
    func take(_ consumer: KafkaConsumer) {
      for case .message(let message) in consumer.poll(maximum: 3, timeout: .milliseconds(5)) {
        #expect(consumer.assignment.contains(message.partition))
        #expect(message.offset == positions[message.partition] ?? 0)
        positions[message.partition] = message.offset + 1
      }
    }
    let first = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    try start(first)
    _ = eventually {
      take(first)
      return positions.values.reduce(0, +) >= 20
    }
    let second = try KafkaConsumer(groupSettings(cluster, group: "g"), topic: "images")
    try start(second)
    #expect(
      eventually {
        take(first)
        take(second)
        return positions == [0: 300, 1: 300] && second.assignment.count == 1
      })
    first.unsubscribeAndClose()
    second.unsubscribeAndClose()
  }

  @Test("commits are recorded with their notes, and a refused one is reported") func commitsAreRecorded() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 3)
    let consumer = try joined(groupSettings(cluster, group: "g"), "images")
    var seen = Seen()
    seen.poll(consumer) { _ in !consumer.assignment.isEmpty }
    #expect(try consumer.committed(partitions: [0, 1, 2], timeout: patience).isEmpty)
    try consumer.commitAndWait([0: 5, 2: 7], timeout: patience)
    #expect(try consumer.committed(partitions: [0, 1, 2], timeout: patience) == [0: 5, 2: 7])
    consumer.commit([1: 3])
    #expect(
      eventually {
        seen.take(consumer.poll(maximum: 1, timeout: .milliseconds(10)))
        return try consumer.committed(partitions: [1], timeout: patience) == [1: 3]
      })
    #expect(seen.failures.isEmpty)

    // Each commit has its note.
    consumer.commitNote = "by a test"
    try consumer.commitAndWait([2: 8], timeout: patience)
    #expect(
      try consumer.commits(partitions: [0, 2], timeout: patience)
        == [0: .init(offset: 5, note: ""), 2: .init(offset: 8, note: "by a test")])

    // A refused commit is thrown to a caller that waits, and is an event otherwise.
    cluster.failNextRequests(api: 8, errors: [30])
    let error = #expect(throws: KafkaError.self) {
      try consumer.commitAndWait([0: 6], timeout: patience)
    }
    #expect(error?.isAuthorization == true && error?.context.hasPrefix("commit of topic images") == true)
    cluster.failNextRequests(api: 8, errors: [30])
    consumer.commit([0: 6])
    seen.poll(consumer) { !$0.failures.isEmpty }
    #expect(seen.failures.first?.isAuthorization == true)
    #expect(seen.failures.first?.context.hasPrefix("commit of topic images") == true)
    consumer.unsubscribeAndClose()
  }
}
