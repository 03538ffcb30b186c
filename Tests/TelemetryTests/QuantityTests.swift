import Testing

@testable import Telemetry

@Suite struct QuantityTests {
  @Test(
    "bytes are written in a fitting unit",
    arguments: [
      (0, "0 B"), (1, "1 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_049, "1.0 kB"), (1_051, "1.1 kB"),
      (99_949, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (720_000, "720 kB"),
      (12_345_678, "12.3 MB"), (999_500_000, "1.0 GB"), (1_000_000_000_000, "1.0 TB"),
      (1_234_567_000_000_000, "1235 TB"),
    ])
  func bytesHaveAFittingUnit(count: Int, text: String) { #expect(Quantity.bytes(count) == text) }

  @Test("the largest and smallest numbers are written") func extremeNumbersHaveAForm() {
    #expect(Quantity.bytes(.max) == "9223372 TB")
    #expect(Quantity.grouped(.min) == "-9,223,372,036,854,775,808")
  }

  @Test(
    "digits are grouped",
    arguments: [
      (0, "0"), (12, "12"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567"), (-1, "-1"),
      (-1_000, "-1,000"),
    ])
  func digitsAreGrouped(count: Int, text: String) { #expect(Quantity.grouped(count) == text) }

  @Test("a noun is plural except for one") func nounIsPluralExceptForOne() {
    #expect(Quantity.count(0, "image") == "0 images")
    #expect(Quantity.count(1, "image") == "1 image")
    #expect(Quantity.count(10_000, "image") == "10,000 images")
  }

  @Test(
    "a duration is readable",
    arguments: [
      (0, "0.0 s"), (49, "0.0 s"), (50, "0.1 s"), (1_234, "1.2 s"), (59_949, "59.9 s"), (59_950, "1 min 0 s"),
      (125_000, "2 min 5 s"), (3_600_000, "60 min 0 s"),
    ])
  func durationIsReadable(milliseconds: Int, text: String) {
    #expect(Quantity.duration(.milliseconds(milliseconds)) == text)
  }
}
