import TestSupport
import Testing

@testable import Telemetry

@Suite struct MetricsReadingTests {
  @Test("what the program writes is read") func ownMetrics() {
    let histogram = Histogram(bounds: [0.1, 1])
    for value in [0.05, 0.5, 0.6, 7] { histogram.observe(value) }
    var text = MetricsText()
    text.counter("sent_total", "All { of \"them\".", 1_234)
    text.counter("failures_total", "By reason.", by: "reason", ["batch": 3, "a}b \"c\"": 4])
    text.gauge("free", "By role.", [([("role", "csv")], 2.5), ([("role", "output")], .nan)])
    text.histogram("seconds", "Times.", histogram)
    let reading = MetricsReading(text.text)
    #expect(reading.value("sent_total") == 1_234)
    #expect(reading.value("failures_total", "reason=\"batch\"") == 3)
    #expect(reading.value("failures_total", "reason=\"a}b \\\"c\\\"\"") == 4)
    #expect(reading.value("free", "role=\"csv\"") == 2.5 && reading.value("free", "role=\"output\"") == nil)
    #expect(reading.value("free") == nil && reading.value("seconds_count") == 4)
    let buckets = reading.histogram("seconds")
    #expect(buckets.map { $0.bound } == [0.1, 1, .infinity] && buckets.map { $0.count } == [1, 2, 1])
  }

  @Test("other writers' spellings are read") func otherSpellings() {
    let reading = MetricsReading("a 1 1700000000\r\nb{x=\"1\",} 2e3\nc\t+3\n\nd{ 4\n   \n# a 9\na{} 5")
    #expect(reading.value("a") == 5 && reading.value("b", "x=\"1\"") == 2_000 && reading.value("c") == 3)
    #expect(reading.value("d") == nil)
  }

  @Test(
    "lines that are no samples are left out",
    arguments: [
      "", "a", "a ", "a b", "{x=\"1\"} 1", "a{ 1", "a{x=\"} 1", "a NaN", "a +Inf", "a -Inf", "a 1e999", "a 0x",
      "<html><body>a 1</body>", "a{x=\"1\"}", "\u{0} 1", "a\u{2028}1",
    ])
  func hostileLines(line: String) {
    #expect(MetricsReading(line).value("a") == nil)
    #expect(MetricsReading(line + "\na 7").value("a") == 7)
  }

  @Test("a histogram whose counts contradict each other is none") func contradictions() {
    func buckets(_ lines: String) -> Int { MetricsReading(lines).histogram("s").count }
    #expect(buckets("s_bucket{le=\"1\"} 1\ns_bucket{le=\"+Inf\"} 2") == 2)
    #expect(buckets("s_bucket{le=\"1\"} 3\ns_bucket{le=\"+Inf\"} 2") == 0)
    #expect(buckets("s_bucket{le=\"1\"} 1") == 0)
    #expect(buckets("s_bucket{le=\"1\"} 1\ns_bucket{le=\"1.0\"} 1\ns_bucket{le=\"+Inf\"} 2") == 0)
    #expect(buckets("s_bucket{le=\"1\"} -1\ns_bucket{le=\"nan\"} 1\ns_bucket{le=\"\"} 1\ns_bucket{le=\"+Inf\"} 2") == 1)
    #expect(buckets("s_bucket 1\ns_bucket{le=\"+Inf\"} 2") == 1)
  }

  @Test("of endless text only the beginning is kept") func manyLines() {
    let many = MetricsReading((0..<50_000).map { "m\($0) \($0)\n" }.joined())
    #expect(many.value("m10") == 10 && many.value("m40000") == nil)
    #expect(MetricsReading(String(repeating: "x", count: 1_000_000) + " 1\na 2").value("a") == 2)
  }

  @Test("mutated metrics are read or left out") func mutations() {
    var text = MetricsText()
    text.histogram("seconds", "Times.", Histogram(bounds: Histogram.seconds))
    text.counter("failures_total", "By reason.", by: "reason", ["batch": 3])
    var numbers = SeededNumbers(seed: 1, "metrics")
    for _ in 0..<2_000 {
      var bytes = Array(text.text.utf8)
      for _ in 0..<numbers.number(1...8) {
        bytes[numbers.number(0...bytes.count - 1)] = UInt8(numbers.number(0...255))
      }
      let reading = MetricsReading(String(decoding: bytes, as: UTF8.self))
      #expect(reading.histogram("seconds").allSatisfy { $0.count >= 0 })
    }
  }
}
