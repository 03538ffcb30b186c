import Platform
import Testing

@testable import ImagePipeline

@Suite struct ProducerEventsTests {
  /// Where the topic is gone, each image fails once a second.
  @Test func ofAThousandImagesThatAreNotAcknowledgedNotEachHasALine() {
    let lines = LogLines()
    let events = ProducerEvents(log: lines.log, input: "/nowhere")
    for number in 0..<1_000 { events.failed("\(number).jpg", Vanished()) }
    events.failed("other.jpg", SystemError("send", "other.jpg", code: 5))
    #expect(lines.all.count == 2, "\(lines.all.count) lines")
    #expect(lines.all.first?.contains("0.jpg") == true && lines.all.last?.contains("other.jpg") == true)
    #expect(events.now.failed == 1_001)
  }

  private struct Vanished: Error {}
}
