internal import CSystem
import Glibc

/// The time of day (CLOCK_REALTIME) as people and files have it, without Foundation. This clock may jump; durations are
/// measured with `MonotonicClock`.
package enum WallClock {
  /// Milliseconds since 1970, UTC.
  package static var milliseconds: Int64 { nanoseconds / 1_000_000 }

  /// Nanoseconds since 1970, UTC: comparable with the times of `FileStatus`.
  package static var nanoseconds: Int64 {
    var time = timespec()
    _ = clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Whether a service such as NTP keeps the wall clock correct, as reported to the kernel; nil if the kernel does not
  /// know.
  package static var isSynchronised: Bool? {
    switch system_clock_is_synchronised() {
    case 0: false
    case 1: true
    default: nil
    }
  }

  /// Formats a time in UTC as `2026-11-23T23:31:16.123Z` (RFC 3339). A year outside 0...9999, which only a broken
  /// timestamp has, gets a sign and at least six digits (ISO 8601, expanded).
  ///
  /// - Parameter milliseconds: since 1970; may be negative.
  package static func iso8601(milliseconds: Int64) -> String {
    var text: [UInt8] = []
    appendISO8601(milliseconds: milliseconds, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the text of `iso8601`.
  package static func appendISO8601(milliseconds: Int64, to text: inout [UInt8]) {
    let (days, time) = floorDivision(milliseconds, 86_400_000)
    let date = CivilDate(daysSince1970: days)
    if (0...9999).contains(date.year) {
      append(date.year, 4, to: &text)
    } else {
      text.append(UInt8(ascii: date.year < 0 ? "-" : "+"))
      append(abs(date.year), 6, to: &text)
    }
    func next(_ separator: Unicode.Scalar, _ number: Int64, _ width: Int) {
      text.append(UInt8(ascii: separator))
      append(number, width, to: &text)
    }
    next("-", date.month, 2)
    next("-", date.day, 2)
    next("T", time / 3_600_000, 2)
    next(":", time / 60_000 % 60, 2)
    next(":", time / 1000 % 60, 2)
    next(".", time % 1000, 3)
    text.append(UInt8(ascii: "Z"))
  }

  /// - Parameter number: not negative.
  private static func append(_ number: Int64, _ width: Int, to text: inout [UInt8]) {
    let start = text.count
    var rest = number
    repeat {
      text.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0 || text.count - start < width
    text[start...].reverse()
  }
}

/// A day of the Gregorian calendar, extended to all times. It uses Howard Hinnant's `civil_from_days`
/// (howardhinnant.github.io/date_algorithms.html): years begin in March, so that the leap day is the last day of the
/// year.
private struct CivilDate {
  let year, month, day: Int64

  init(daysSince1970 days: Int64) {
    let (era, dayOfEra) = floorDivision(days + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }
}

/// Quotient rounded down, remainder never negative.
private func floorDivision(_ dividend: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
  let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}
