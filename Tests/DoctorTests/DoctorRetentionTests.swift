import Testing

@testable import Configuration
@testable import Doctor
@testable import Telemetry

/// How long the topic keeps images whose files do not wait for receipts.
@Suite struct DoctorRetentionTests {
  private let now: Int64 = 1_800_000_000_000
  private let minute: Int64 = 60_000

  private func forecast(
    _ partitions: [Backlog.Partition], milliseconds: Int? = -1, bytes: Int? = -1, rates: [Int32: Double] = [:]
  ) -> RetentionForecast {
    RetentionForecast(
      topic: "images", action: .delete,
      backlog: Backlog(
        partitions: partitions, averageBytes: 100_000, now: now, retentionMilliseconds: milliseconds,
        retentionBytes: bytes),
      rates: rates, group: "storers")
  }

  private func expect(_ finding: Finding, _ level: Finding.Level, _ words: String...) {
    #expect(finding.key == "after_sent_unconfirmed \(level)")
    for word in ["AFTER_SENT=delete", "RECEIPTS_NEEDED=0"] + words {
      #expect(finding.text.contains(word), "\(word) in \(finding.text)")
    }
    #expect(finding.cure?.contains("RECEIPTS_NEEDED=1") == true)
  }

  @Test("the time that is left follows from the bytes that arrive") func bytesLimitTime() {
    // The limit is 100 MB, and 40 MB wait. At 500 kB per second, the other 60 MB take 2 min.
    let waiting = forecast(
      [.init(number: 3, low: 0, high: 500, committed: 100, oldest: now)], bytes: 100_000_000, rates: [3: 5])
    expect(
      waiting.finding(), .note, "about 2 min until", "partition 3", "retention.bytes=100000000", "500 kB/s", "400 ")
    let full = forecast(
      [.init(number: 3, low: 0, high: 1_100, committed: 100, oldest: now)], bytes: 100_000_000, rates: [3: 5])
    expect(full.finding(), .problem, "about 0 s until")
  }

  @Test("the time that is left follows from the oldest message's age") func ageLimitsTime() {
    let young = forecast(
      [
        .init(number: 0, low: 0, high: 5, committed: 1, oldest: now - 42 * minute),
        .init(number: 1, low: 0, high: 5, committed: 1, oldest: now - 2 * minute),
      ], milliseconds: Int(60 * minute))
    expect(young.finding(), .note, "about 18 min until", "partition 0", "retention.ms=3600000")
    let old = forecast(
      [.init(number: 0, low: 0, high: 5, committed: 1, oldest: now - 55 * minute)], milliseconds: Int(60 * minute))
    expect(old.finding(), .problem, "about 5 min until")
  }

  @Test("the limit that is reached first counts") func firstLimitCounts() {
    let both = forecast(
      [.init(number: 0, low: 0, high: 100, committed: 0, oldest: now - minute)], milliseconds: Int(60 * minute),
      bytes: 100_000_000, rates: [0: 1])
    expect(both.finding(), .note, "about 15 min until", "retention.bytes")
  }

  @Test("if everything is stored, the time that a new image has is reported") func storedTopicHasTime() {
    let stored = forecast(
      [.init(number: 0, low: 400, high: 500, committed: 500)], milliseconds: 604_800_000, bytes: 100_000_000,
      rates: [0: 1])
    expect(stored.finding(), .note, "everything is stored", "for about 16 min (")
    // Too few messages for a rate: the time remains.
    let idle = forecast(
      [.init(number: 0, low: 400, high: 500, committed: 500)], milliseconds: 604_800_000, bytes: 100_000_000)
    expect(idle.finding(), .note, "for about 7 days (", "retention.ms=604800000")
  }

  @Test("without positions, the backlog is unknown") func unknownPositionsAreReported() {
    var blind = forecast([.init(number: 0, low: 400, high: 1_500)], bytes: 100_000_000, rates: [0: 1])
    blind.knowsPositions = false
    blind.unknown = [("the positions of group storers are unknown", "grant Describe on group storers")]
    expect(blind.finding(), .note, "what is stored is unknown", "for about 16 min (", "positions of group storers")
    #expect(blind.finding().cure?.contains("grant Describe on group storers") == true)
  }

  @Test("a loss says where the files are") func lossSaysWhereFilesAre() {
    var lossy = forecast([.init(number: 0, low: 40, high: 50, committed: 5)])
    #expect(lossy.lost()?.key == "messages_lost problem")
    #expect(lossy.lost()?.text.contains("35 messages") == true && lossy.lost()?.cure?.contains("deleted") == true)
    lossy.action = .move
    #expect(lossy.lost()?.cure?.contains("SENT_DIR") == true)
    #expect(forecast([.init(number: 0, low: 5, high: 50, committed: 5)]).lost() == nil)
  }

  @Test("what is missing for a time is reported") func missingFactsAreReported() {
    let partitions = [Backlog.Partition(number: 0, low: 0, high: 5, committed: 1)]
    var silent = forecast(partitions, milliseconds: nil, bytes: nil)
    silent.unknown = [("the broker does not tell", "grant DescribeConfigs on topic images")]
    expect(silent.finding(), .note, "unknown, because the broker does not tell")
    #expect(silent.finding().cure?.hasSuffix("grant DescribeConfigs on topic images") == true)
    expect(forecast(partitions, bytes: 1_000).finding(), .note, "too few messages")
    #expect(forecast(partitions).finding().key == "after_sent_unconfirmed ok")
    var missing = forecast([])
    missing.backlog = nil
    expect(missing.finding(), .note, "does not exist yet")
  }
}
