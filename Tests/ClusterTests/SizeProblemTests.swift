import Testing

@testable import Cluster
@testable import Wire

/// A topic's limit is compared with the sizes that will be sent.
@Suite struct SizeProblemTests {
  private func sending(_ segmentBytes: Int, _ format: WireFormat = .base64) -> SizeLimits.Sending {
    SizeLimits.Sending(
      segmentBytes: segmentBytes, format: format, inFlightBytes: 8_000_000, messageMaximum: 1_000_000,
      batchSize: 1_000_000,
      queueBytes: 64 << 20)
  }

  @Test("Kafka's default limit fits the default sizes") func defaultLimitFits() {
    #expect(BrokerConnection.sizeProblem("images", limit: 1_048_588, sending(720_000)) == nil)
  }

  @Test("the advised limit is one that the topic accepts", arguments: [WireFormat.base64, .binary])
  func advisedLimitFits(format: WireFormat) throws {
    let problem = try #require(BrokerConnection.sizeProblem("images", limit: 200_000, sending(720_000, format)))
    let number = try #require(problem.split(separator: "Set SEGMENT_BYTES=").last).prefix { $0.isNumber }
    let advised = try #require(Int(number))
    #expect(advised >= 1_000)
    #expect(BrokerConnection.sizeProblem("images", limit: 200_000, sending(advised, format)) == nil)
  }

  @Test("a limit below every segment can only be raised") func tinyLimitCanOnlyBeRaised() throws {
    let problem = try #require(BrokerConnection.sizeProblem("images", limit: 5_000, sending(720_000)))
    #expect(!problem.contains("Set SEGMENT_BYTES") && problem.contains("kafka-configs"))
  }
}
