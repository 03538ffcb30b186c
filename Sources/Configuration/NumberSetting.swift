/// A whole number as people write it: `1000`, `1_000`, or with a unit if the setting has one: `10s`, `16 MiB`.
enum NumberSetting {
  /// What a setting counts.
  enum Unit {
    case none, milliseconds, seconds, bytes

    /// The factor of each unit, by its name in lower case: a unit is `numerator / denominator` of what the setting
    /// counts.
    fileprivate var factors: [String: (numerator: Int, denominator: Int)] {
      switch self {
      case .none: [:]
      case .milliseconds: Self.durations.mapValues { ($0, 1) }
      case .seconds: Self.durations.mapValues { ($0, 1_000) }
      case .bytes: Self.amounts.mapValues { ($0, 1) }
      }
    }

    /// Examples of values with a unit, for the end of an error's fix.
    var examples: String {
      switch self {
      case .none: ""
      case .milliseconds, .seconds: ", or a duration such as 90s, 5min or 2h"
      case .bytes: ", or an amount such as 500kB, 16MiB or 2GB"
      }
    }

    private static let durations = [
      "ms": 1, "s": 1_000, "sec": 1_000, "second": 1_000, "seconds": 1_000, "m": 60_000, "min": 60_000,
      "minute": 60_000,
      "minutes": 60_000, "h": 3_600_000, "hour": 3_600_000, "hours": 3_600_000, "d": 86_400_000, "day": 86_400_000,
      "days": 86_400_000,
    ]
    /// K, M and G alone are missing, because their factor is 1,000 for some people and 1,024 for others.
    private static let amounts = [
      "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000, "tb": 1_000_000_000_000, "kib": 1 << 10,
      "mib": 1 << 20,
      "gib": 1 << 30, "tib": 1 << 40,
    ]
  }

  /// - Returns: the number in the setting's unit; nil if it is not a whole number of that unit, or is too large.
  static func parse(_ text: String, _ unit: Unit) -> Int? {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == "_" || $0 == "-" || $0 == "+") }
    // An underscore is allowed only between digits: `1_000`.
    guard !number.hasPrefix("_"), !number.hasSuffix("_"), !number.contains("__"), !number.contains("-_"),
      let value = Int(number.filter { $0 != "_" })
    else { return nil }
    let name = text[number.endIndex...].drop { $0 == " " }.lowercased()
    if name.isEmpty { return number.endIndex == text.endIndex ? value : nil }
    guard let factor = unit.factors[name] else { return nil }
    let (product, isTooLarge) = value.multipliedReportingOverflow(by: factor.numerator)
    guard !isTooLarge, product.isMultiple(of: factor.denominator) else { return nil }
    return product / factor.denominator
  }
}
