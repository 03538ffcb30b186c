import Platform

/// The value of a field.
package enum LogValue: Sendable, Equatable {
  case string(String)
  case integer(Int64)
  /// JSON has neither infinity nor NaN: both become `null` there.
  case number(Double)
  case boolean(Bool)
  /// A log line leaves the field out.
  case absent

  package static func of(_ value: String) -> LogValue { .string(value) }
  /// A value outside the range of a signed 64-bit integer becomes the nearest one inside.
  package static func of(_ value: some BinaryInteger) -> LogValue { .integer(Int64(clamping: value)) }
  /// A count that is worth a field unless it is 0.
  package static func unlessZero(_ count: Int) -> LogValue { count == 0 ? .absent : .of(count) }
  package static func of(_ value: Double) -> LogValue { .number(value) }
  package static func of(_ value: Bool) -> LogValue { .boolean(value) }
  /// An error by its name, or else by that of its type. It does not change with the wording of the description.
  package static func name(of error: any Error) -> LogValue {
    if let error = error as? any NamedError { return .string(error.name) }
    // "Wire.InputFolder.Moved", and for a private type "Wire.InputFolder.(unknown context at $1234).Moved".
    let path = String(reflecting: type(of: error)).split(separator: ".").dropFirst()
    return .string(path.filter { $0.first != "(" }.joined(separator: "."))
  }
  /// Any value that describes itself: an error, a digest.
  package static func of(_ value: some CustomStringConvertible) -> LogValue { .string(value.description) }
}

extension LogValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
}
