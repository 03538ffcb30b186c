/// Metrics in Prometheus' text format (version 0.0.4): name, description, kind, and one line per value.
package struct MetricsText {
  private(set) var text = ""

  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  init() {}

  /// A value that only grows while the process runs. By convention its name ends in `_total`.
  package mutating func counter(_ name: String, _ help: String, _ value: Double) {
    begin(name, help, "counter")
    sample(name, [], Self.number(value))
  }

  /// A counter with one value for each value of a label.
  package mutating func counter(_ name: String, _ help: String, by label: String, _ values: [String: Int]) {
    begin(name, help, "counter")
    for (value, count) in values.sorted(by: { $0.key < $1.key }) { sample(name, [(label, value)], String(count)) }
  }

  /// A value that rises and falls.
  package mutating func gauge(_ name: String, _ help: String, _ value: Double) {
    begin(name, help, "gauge")
    sample(name, [], Self.number(value))
  }

  package mutating func gauge(_ name: String, _ help: String, _ values: [(labels: [(String, String)], value: Double)]) {
    begin(name, help, "gauge")
    for (labels, value) in values { sample(name, labels, Self.number(value)) }
  }

  package mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
    begin(name, help, "histogram")
    let now = histogram.now
    var below = 0
    for (bound, count) in zip(histogram.bounds, now.counts) {
      below += count
      sample(name + "_bucket", [("le", Self.number(bound))], String(below))
    }
    let all = below + (now.counts.last ?? 0)
    sample(name + "_bucket", [("le", "+Inf")], String(all))
    sample(name + "_sum", [], Self.number(now.sum))
    sample(name + "_count", [], String(all))
  }

  private mutating func begin(_ name: String, _ help: String, _ kind: String) {
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind)\n"
  }

  private mutating func sample(_ name: String, _ labels: [(String, String)], _ value: String) {
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
    text += name + (list.isEmpty ? "" : "{\(list)}") + " \(value)\n"
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotes: escaped += "\\\""
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
