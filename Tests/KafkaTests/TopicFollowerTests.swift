import TestSupport
import Testing

@testable import Kafka

@Suite(.ownThread) struct TopicFollowerTests {
  /// The values that arrive until there are enough of them.
  private func values(_ follower: TopicFollower, atLeast count: Int) throws -> [String] {
    var values: [String] = []
    let isComplete = eventually {
      switch follower.next(timeout: .milliseconds(100)) {
      case .message(let message): values.append(String(decoding: message.value.map { Array($0) } ?? [], as: UTF8.self))
      case .failure(let error): throw error
      case .endOfPartition, nil: break
      }
      return values.count >= count
    }
    #expect(isComplete, "\(values)")
    return values
  }

  private func follower(_ cluster: EmbeddedCluster) throws -> TopicFollower {
    try TopicFollower(settings(cluster, ["fetch.wait.max.ms": "50"]), topic: "receipts")
  }

  @Test("all partitions are read from their positions, and on beyond their ends") func partitionsAreFollowed() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("receipts", partitions: 2)
    try fill(cluster, "receipts", partition: 0, ["a0", "a1", "a2"])
    try fill(cluster, "receipts", partition: 1, ["b0", "b1"])
    let follower = try follower(cluster)
    #expect(try follower.start(at: [0: 2], timeout: patience))
    #expect(follower.partitionCount == 2)
    #expect(try values(follower, atLeast: 3).sorted() == ["a2", "b0", "b1"])
    try fill(cluster, "receipts", partition: 1, ["late"])
    #expect(try values(follower, atLeast: 1) == ["late"])
  }

  @Test("the end of each partition is reported") func endsAreReported() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("receipts", partitions: 2)
    try fill(cluster, "receipts", partition: 0, ["a0"])
    let follower = try follower(cluster)
    #expect(try follower.start(at: [:], timeout: patience))
    var ends: Set<Int32> = []
    #expect(
      eventually {
        if case .endOfPartition(let partition) = follower.next(timeout: .milliseconds(100)) { ends.insert(partition) }
        return ends == [0, 1]
      })
  }

  @Test("a position that the topic does not have is replaced by the beginning") func lostPositionStartsAgain() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("receipts", partitions: 1)
    try fill(cluster, "receipts", ["a0", "a1"])
    let follower = try follower(cluster)
    #expect(try follower.start(at: [0: 100], timeout: patience))
    #expect(try values(follower, atLeast: 2) == ["a0", "a1"])
  }

  @Test("a broker that does not answer is an error within the bound") func silentBrokerIsAnError() throws {
    let cluster = try EmbeddedCluster()
    cluster.setDown(true)
    let follower = try follower(cluster)
    #expect(throws: KafkaError.self) { _ = try follower.start(at: [:], timeout: .milliseconds(300)) }
  }
}
