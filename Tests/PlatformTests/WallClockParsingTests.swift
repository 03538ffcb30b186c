import Testing

@testable import Platform

@Suite struct WallClockParsingTests {
  @Test(
    "a written time is read again",
    arguments: [
      0, 1, 999, -1, 1_795_476_696_123, 951_782_400_000, 951_868_799_999, -62_167_219_200_000, -62_167_219_200_001,
      253_402_300_799_999, 253_402_300_800_000, .max, .min, 9_007_199_254_740_993,
    ] as [Int64])
  func writtenTimeIsRead(milliseconds: Int64) {
    #expect(WallClock.milliseconds(iso8601: WallClock.iso8601(milliseconds: milliseconds)) == milliseconds)
  }

  @Test("every day of four centuries is read") func everyDayIsRead() {
    for day in Int64(-1)...146_100 {
      let time = day * 86_400_000 + 12_345_678
      guard WallClock.milliseconds(iso8601: WallClock.iso8601(milliseconds: time)) == time else {
        Issue.record("day \(day)")
        return
      }
    }
  }

  @Test(
    "other text is no time",
    arguments: [
      "", "2026", "2026-11-23", "2026-11-23T23:31:16Z", "2026-13-23T23:31:16.123Z", "2026-02-30T00:00:00.000Z",
      "2026-11-23T24:00:00.000Z", "2026-11-23 23:31:16.123Z", "2026-11-23T23:31:16.123", "26-11-23T23:31:16.123Z",
      "2026-11-23T23:31:16.123+01:00", "x", "-2026-11-23T23:31:16.123Z", "99999999999999999999-11-23T23:31:16.123Z",
    ])
  func otherTextIsNoTime(text: String) {
    #expect(WallClock.milliseconds(iso8601: text) == nil)
  }
}
