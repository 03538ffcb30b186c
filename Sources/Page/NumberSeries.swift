import Telemetry

/// The numbers of one moment. A number that is not known is nil.
struct NumberPoint: Equatable, Sendable {
  enum Column: String, CaseIterable, Sendable {
    /// Images and megabytes a second that producers send.
    case incoming = "in"
    case incomingMB = "inMB"
    /// Images and megabytes a second that consumers store.
    case stored = "out"
    case storedMB = "outMB"
    /// Messages that are not stored.
    case lag
    /// Images that are not sent.
    case unsent
    /// Quantiles in seconds: from a finished file to its receipt, and from sending an image to its being stored.
    case file50, file99, sent50, sent99
    /// Images that wait for receipts.
    case receipts
    /// Dead letters since the moment before.
    case dead

    var index: Int { Self.allCases.firstIndex(of: self)! }
  }

  fileprivate(set) var values: [Double?] = Column.allCases.map { _ in nil }

  subscript(column: Column) -> Double? {
    get { values[column.index] }
    set { values[column.index] = newValue }
  }

  /// An object with all columns.
  var json: String {
    "{"
      + zip(Column.allCases, values).map { "\"\($0.rawValue)\":\(Self.text($1))" }.joined(separator: ",") + "}"
  }

  /// As few digits as people need.
  fileprivate static func text(_ value: Double?) -> String {
    // Beyond that, the arithmetic below would overflow.
    guard let value, abs(value) < 1e15 else { return "null" }
    if value == value.rounded() || value >= 100 { return String(Int64(value.rounded())) }
    let thousandths = Int64((value * 1_000).rounded())
    let rest = String(thousandths % 1_000 + 1_000).dropFirst()
    let digits = rest.reversed().drop { $0 == "0" }.reversed()
    return "\(thousandths / 1_000)" + (digits.isEmpty ? "" : "." + String(digits))
  }
}

/// The points of the last minutes, one per interval. Its memory does not grow.
struct NumberSeries: Sendable {
  /// Milliseconds between two points.
  let interval: Int64
  private let capacity: Int
  /// Rings, one per column. NaN: not known.
  private var columns: [[Double]]
  /// The slot of the newest point: its time, in intervals since 1970.
  private var newest: Int64?
  private(set) var count = 0

  init(interval: Duration, capacity: Int) {
    self.interval = Int64(max(1, interval.inMilliseconds))
    self.capacity = capacity
    columns = NumberPoint.Column.allCases.map { _ in Array(repeating: .nan, count: capacity) }
  }

  /// The time of the newest point in ms since 1970.
  var time: Int64? { newest.map { $0 * interval } }

  /// - Parameter time: in ms since 1970. Times between it and the last point become gaps.
  mutating func append(_ point: NumberPoint, at time: Int64) {
    // Points are taken at the beginning of an interval, or a moment before.
    let slot = (time + interval / 2) / interval
    if let newest, slot > newest, slot - newest < capacity {
      for missed in newest + 1..<slot { set(NumberPoint(), missed) }
      count = min(capacity, count + Int(slot - newest))
    } else if let newest, slot == newest || slot == newest - 1 {
      // The clock is a little slower than it was.
      return set(point, newest)
    } else {
      // The first point, or the clock has been set.
      count = 1
    }
    set(point, slot)
    newest = slot
  }

  private mutating func set(_ point: NumberPoint, _ slot: Int64) {
    for (column, value) in point.values.enumerated() { columns[column][Int(slot) % capacity] = value ?? .nan }
  }

  /// The values of a column, oldest first.
  func values(_ column: NumberPoint.Column) -> [Double?] {
    guard let newest else { return [] }
    return (0..<count).map { index in
      let value = columns[column.index][(Int(newest) - count + 1 + index) % capacity]
      return value.isNaN ? nil : value
    }
  }

  /// An object with an array per column, oldest first.
  var json: String {
    "{"
      + NumberPoint.Column.allCases.map { column in
        "\"\(column.rawValue)\":[" + values(column).map { NumberPoint.text($0) }.joined(separator: ",") + "]"
      }.joined(separator: ",") + "}"
  }
}
