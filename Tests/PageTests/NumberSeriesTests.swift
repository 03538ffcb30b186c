import Testing

@testable import Page

/// The numbers that are kept.
@Suite struct NumberSeriesTests {
  private func point(_ lag: Double?) -> NumberPoint {
    var point = NumberPoint()
    point[.lag] = lag
    return point
  }

  private func series(_ times: [Int64], capacity: Int = 5) -> NumberSeries {
    var series = NumberSeries(interval: .seconds(2), capacity: capacity)
    for (index, time) in times.enumerated() { series.append(point(Double(index)), at: time) }
    return series
  }

  @Test("points have the slots of their times, also those a moment too early or too late") func slots() {
    let series = series([10_000, 11_999, 14_010])
    #expect(series.values(.lag) == [0, 1, 2] && series.time == 14_000)
    #expect(series.values(.incoming) == [nil, nil, nil])
  }

  @Test("an interval without a point is a gap") func gaps() {
    #expect(series([10_000, 16_000]).values(.lag) == [0, nil, nil, 1])
  }

  @Test("only the newest points are kept") func capacity() {
    let series = series((0..<12).map { 10_000 + $0 * 2_000 })
    #expect(series.values(.lag) == [7, 8, 9, 10, 11] && series.count == 5)
    #expect(self.series([10_000, 12_000, 18_000, 20_000]).values(.lag) == [1, nil, nil, 2, 3])
  }

  @Test("a gap longer than all of it leaves nothing") func longGap() {
    #expect(series([10_000, 12_000, 1_000_000]).values(.lag) == [2])
  }

  @Test("a clock that is set begins a new series, and a slow one does not") func clock() {
    #expect(series([100_000, 102_000, 50_000, 52_000]).values(.lag) == [2, 3])
    #expect(series([100_000, 102_000, 101_990]).values(.lag) == [0, 2])
    #expect(series([100_000, 102_000, 100_500, 104_000]).values(.lag) == [0, 2, 3])
  }

  @Test("numbers have as many digits as people need, and unknown ones are null") func json() {
    var all = NumberPoint()
    for (column, value) in [
      (.incoming, 0), (.incomingMB, 1.5), (.stored, 12.3456), (.storedMB, 0.0004), (.lag, 123.4), (.unsent, 1e12),
      (.file50, .nan), (.file99, 99.9996), (.receipts, 0.05), (.dead, 7),
    ] as [(NumberPoint.Column, Double)] { all[column] = value }
    let expected =
      "{\"in\":0,\"inMB\":1.5,\"out\":12.346,\"outMB\":0,\"lag\":123,\"unsent\":1000000000000,\"file50\":null,"
      + "\"file99\":100,\"sent50\":null,\"sent99\":null,\"receipts\":0.05,\"dead\":7}"
    #expect(all.json == expected)
  }

  @Test("a full series of large numbers stays small") func size() {
    var series = NumberSeries(interval: .seconds(2), capacity: 450)
    var full = NumberPoint()
    for column in NumberPoint.Column.allCases { full[column] = 98_765.432 }
    for column in [NumberPoint.Column.lag, .unsent, .receipts] { full[column] = 123_456_789 }
    for column in [NumberPoint.Column.incomingMB, .storedMB, .file50, .sent50] { full[column] = 12.345 }
    for index in 0..<1_000 { series.append(full, at: Int64(index) * 2_000) }
    #expect(series.json.utf8.count < 60_000, "\(series.json.utf8.count)")
  }
}
