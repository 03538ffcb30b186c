import TestSupport
import Testing

@testable import Kafka

@Suite(.ownThread) struct ScanTests {
  private func values(_ scan: PartitionScan) throws -> [String] {
    var values: [String] = []
    while let message = try scan.next(timeout: patience) {
      values.append(String(decoding: message.value.map { Array($0) } ?? [], as: UTF8.self))
    }
    return values
  }

  @Test("a scan reads every message that existed when it began") func scanReadsWhatExisted() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 2)
    let before = (0..<500).map { "value \($0)" }
    try fill(cluster, "images", partition: 1, before)
    let scan = try PartitionScan(settings(cluster), topic: "images", partition: 1, timeout: patience)
    #expect(scan.end == 500)
    try fill(cluster, "images", partition: 1, ["late"])
    #expect(try values(scan) == before)
    #expect(try scan.next(timeout: patience) == nil)
  }

  @Test("an empty partition has nothing") func emptyPartitionHasNothing() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    let scan = try PartitionScan(settings(cluster), topic: "images", partition: 0, timeout: patience)
    #expect(try values(scan) == [])
  }

  @Test("a silent broker is an error within the bound") func silentBrokerIsAnError() throws {
    let cluster = try EmbeddedCluster()
    try cluster.createTopic("images", partitions: 1)
    try fill(cluster, "images", ["one"])
    let scan = try PartitionScan(settings(cluster), topic: "images", partition: 0, timeout: patience)
    cluster.setDown(true)
    #expect {
      // Messages fetched by then may still arrive.
      while try scan.next(timeout: .milliseconds(300)) != nil {}
      _ = try PartitionScan(settings(cluster), topic: "images", partition: 0, timeout: .milliseconds(300))
    } throws: { ($0 as? KafkaError)?.disposition == .transient }
  }
}
