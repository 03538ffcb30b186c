import Testing

@testable import Platform

@Suite struct WallClockTests {
  // From `date -u -d @N`.
  @Test(
    "a time is written as its date",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (951_868_799_999, "2000-02-29T23:59:59.999Z"),
      (951_868_800_000, "2000-03-01T00:00:00.000Z"),
      (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
      (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
      (1_795_476_676_123, "2026-11-23T23:31:16.123Z"),
      (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
      (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ])
  func timeIsWrittenAsDate(milliseconds: Int64, text: String) {
    #expect(WallClock.iso8601(milliseconds: milliseconds) == text)
  }

  @Test(
    "a time far outside the calendar is written, too",
    arguments: [
      (-1, "1969-12-31T23:59:59.999Z"),
      (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
      (Int64.max, "+292278994-08-17T07:12:55.807Z"),
      (Int64.min, "-292275055-05-16T16:47:04.192Z"),
    ])
  func extremeTimeIsWritten(milliseconds: Int64, text: String) {
    #expect(WallClock.iso8601(milliseconds: milliseconds) == text)
  }

  @Test("the monotonic clock advances, and a sleep lasts at least its time") func sleepLastsItsTime() {
    let start = ContinuousClock.now
    Deadline(in: .milliseconds(20)).sleep()
    #expect(ContinuousClock.now - start >= .milliseconds(20))
    Deadline(in: .milliseconds(-5)).sleep()
  }

  @Test("both wall clocks agree") func wallClocksAgree() {
    let difference = WallClock.nanoseconds / 1_000_000 - WallClock.milliseconds
    #expect(abs(difference) < 60_000)
    #expect(WallClock.milliseconds > 1_700_000_000_000)
  }
}
