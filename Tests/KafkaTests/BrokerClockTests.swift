import Testing

@testable import Kafka
@testable import Platform

@Suite struct BrokerClockTests {
  /// The answer of an Apache Kafka 4.3 with one voter, without its length.
  private let answer: [UInt8] =
    [0, 0, 0, 1, 0, 0, 0, 2, 0x13] + Array("__cluster_metadata".utf8) + [2, 0, 0, 0, 0, 0, 0]
    + [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x0D, 0x9A]
    + [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x0D, 0x9A, 0, 0, 1, 0xA2, 0x24, 0xC2, 0xEF, 0xA2]
    + [0, 0, 1, 0xA2, 0x24, 0xC2, 0xEF, 0xA2, 0, 1, 0, 0, 0]

  @Test("the controller's time is read from its answer") func controllerTimeIsRead() {
    #expect(BrokerClock.controllerTime(in: answer) == 1_795_913_084_834)
  }

  @Test("a truncated or altered answer gives no time") func damagedAnswerGivesNone() {
    for count in 0..<(answer.count - 4) { #expect(BrokerClock.controllerTime(in: Array(answer.prefix(count))) == nil) }
    var refused = answer
    // UNSUPPORTED_VERSION
    refused[6] = 35
    #expect(BrokerClock.controllerTime(in: refused) == nil)
    #expect(BrokerClock.controllerTime(in: Array(repeating: 0xFF, count: 90)) == nil)
  }

  @Test("a server that is no such broker gives no time, within the bound") func otherServersGiveNone() throws {
    let cluster = try EmbeddedCluster()
    let parts = cluster.bootstrapServers.split(separator: ",")[0].split(separator: ":")
    let start = ContinuousClock.now
    #expect(BrokerClock.ask(host: String(parts[0]), port: Int(parts[1])!, timeout: .seconds(1)) == nil)
    #expect(BrokerClock.ask(host: "127.0.0.1", port: 1, timeout: .seconds(1)) == nil)
    #expect(ContinuousClock.now - start < .seconds(10))
  }
}
