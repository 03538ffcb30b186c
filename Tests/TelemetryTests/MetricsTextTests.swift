import Testing

@testable import Telemetry

@Suite struct MetricsTextTests {
  @Test("a counter has help, type and value") func counterHasHelpTypeAndValue() {
    var text = MetricsText()
    text.counter("images_total", "Images\nof \"all\" kinds \\.", 7)
    #expect(
      text.text == "# HELP images_total Images\\nof \"all\" kinds \\\\.\n# TYPE images_total counter\nimages_total 7\n")
  }

  @Test("label values are sorted and escaped") func labelsAreSortedAndEscaped() {
    var text = MetricsText()
    text.counter("failures_total", "F", by: "reason", ["z": 1, "a\"b\\c\n": 2])
    #expect(
      text.text.split(separator: "\n").dropFirst(2).map { String($0) } == [
        #"failures_total{reason="a\"b\\c\n"} 2"#, #"failures_total{reason="z"} 1"#,
      ])
  }

  @Test("numbers are written as Prometheus reads them") func numbersSuitPrometheus() {
    var text = MetricsText()
    let values = [0, 1.5, -3, 1e300, .infinity, -.infinity, .nan]
    text.gauge("g", "G", values.enumerated().map { ([("n", "\($0.offset)")], $0.element) })
    let numbers = text.text.split(separator: "\n").dropFirst(2).map { $0.split(separator: " ")[1] }
    #expect(numbers == ["0", "1.5", "-3", "1e+300", "+Inf", "-Inf", "NaN"])
  }

  @Test("a histogram's buckets are cumulative") func histogramIsCumulative() {
    let histogram = Histogram(bounds: [0.1, 1, 10])
    for value in [0.05, 0.1, 0.5, 10, 11, 200] { histogram.observe(value) }
    var text = MetricsText()
    text.histogram("s", "S", histogram)
    #expect(
      text.text.split(separator: "\n").dropFirst(2).map { String($0) } == [
        "s_bucket{le=\"0.1\"} 2", "s_bucket{le=\"1\"} 3", "s_bucket{le=\"10\"} 4", "s_bucket{le=\"+Inf\"} 6",
        "s_sum 221.65", "s_count 6",
      ])
  }
}
