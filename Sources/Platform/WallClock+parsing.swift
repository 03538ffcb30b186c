extension WallClock {
  /// Parses the format that `iso8601(milliseconds:)` writes.
  ///
  /// - Returns: milliseconds since 1970; nil for any other text.
  package static func milliseconds(iso8601 text: String) -> Int64? {
    var rest = Substring(text)
    var sign: Int64 = 1
    if let first = rest.first, first == "-" || first == "+" {
      sign = first == "-" ? -1 : 1
      rest.removeFirst()
    }
    let numbers = rest.split { "-T:.Z".contains($0) }.map { Int64($0) }
    guard numbers.count == 7, let year = numbers[0], let month = numbers[1], let day = numbers[2],
      let hour = numbers[3], let minute = numbers[4], let second = numbers[5], let thousandth = numbers[6]
    else { return nil }
    let time = ((hour &* 60 &+ minute) &* 60 &+ second) &* 1_000 &+ thousandth
    let value = daysSince1970(year: sign &* year, month: month, day: day) &* 86_400_000 &+ time
    // Formatting the value again detects a text that is not a date or that overflows: the result differs.
    return iso8601(milliseconds: value) == text ? value : nil
  }

  /// Howard Hinnant's `days_from_civil` (howardhinnant.github.io/date_algorithms.html).
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let year = month <= 2 ? year &- 1 : year
    let era = (year >= 0 ? year : year &- 399) / 400
    let yearOfEra = year &- era &* 400
    let monthFromMarch = month > 2 ? month &- 3 : month &+ 9
    let dayOfYear = (153 &* monthFromMarch &+ 2) / 5 &+ day &- 1
    let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
    return era &* 146_097 &+ dayOfEra &- 719_468
  }
}
