import TestSupport
import Testing

@testable import Configuration
@testable import Wire

/// Segments against the message limit.
@Suite struct SegmentLimitTests {
  @Test("a segment must fit the message limit") func segmentMustFitMessageLimit() throws {
    #expect(environmentProblems(["SEGMENT_BYTES": "720000"]) == [])
    let found = environmentProblems(["SEGMENT_BYTES": "720001"])
    #expect(found.count == 1)
    for word in ["KAFKA_MESSAGE_MAX_BYTES=1000000", " 720000 "] {
      #expect(found.first?.contains(word) == true, "\(found)")
    }
  }

  @Test("a larger message limit allows larger segments") func largerLimitAllowsSegments() throws {
    #expect(environmentProblems(["SEGMENT_BYTES": "7000000", "KAFKA_MESSAGE_MAX_BYTES": "10000000"]) == [])
    let small = environmentProblems(["KAFKA_MESSAGE_MAX_BYTES": "500000"])
    #expect(small.first?.hasPrefix("SEGMENT_BYTES=720000") == true)
    #expect(small.first?.contains("345000") == true)
    #expect(environmentProblems(["KAFKA_MESSAGE_MAX_BYTES": "500000", "SEGMENT_BYTES": "345000"]) == [])
  }

  @Test("a limit that no segment fits is named") func tinyLimitIsNamed() {
    let found = environmentProblems(["KAFKA_MESSAGE_MAX_BYTES": "1000"])
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("KAFKA_MESSAGE_MAX_BYTES=1000 cannot be used: ") == true)
  }

  @Test("the largest segment with the longest name stays below the limit", arguments: [1_000, 345_000, 720_000])
  func largestSegmentStaysBelowLimit(segment: Int) {
    let limit = segment / 3 * 4 + 40_000
    let name = String(repeating: "\u{1}", count: ImageName.longestName)
    let headers = ImageHeaders(
      digest: digest(of: ""), length: .max,
      segment: .init(id: String(repeating: "0", count: 64), index: .max, count: .max, position: .max))
    let size =
      Envelope(name: name).size(carrying: segment) + name.utf8.count
      + headers.kafkaHeaders.reduce(0) { $0 + $1.name.utf8.count + $1.value.count + 10 }
    #expect(size + 500 < limit)
  }
}
