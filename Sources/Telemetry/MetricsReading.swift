/// What a server says in Prometheus' text format. The server may be anything: lines that are not understood are left out,
/// and what is kept is bounded.
package struct MetricsReading: Sendable {
  /// A value with its labels as they are written, `reason="batch"`, or with an empty text.
  private struct Sample {
    let labels: String
    let value: Double
  }

  /// By their names.
  private var samples: [String: [Sample]] = [:]

  private static let mostSamples = 2_000
  private static let longestLine = 1_000

  package init(_ text: String) {
    var count = 0
    for line in text.utf8.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
      guard count < Self.mostSamples else { return }
      guard line.count <= Self.longestLine, let (name, sample) = Self.sample(line) else { continue }
      samples[name, default: []].append(sample)
      count += 1
    }
  }

  /// The value of a series; nil if there is none, or if it is no finite number.
  /// - Parameter labels: as the server writes them, `reason="batch"`.
  package func value(_ name: String, _ labels: String = "") -> Double? {
    samples[name]?.last { $0.labels == labels }?.value
  }

  /// A histogram without labels: the observations in each bucket alone, by its upper bound, the bucket without a bound
  /// last. Empty if there is none, or if its counts are not those of a histogram.
  package func histogram(_ name: String) -> [(bound: Double, count: Double)] {
    var buckets: [(bound: Double, count: Double)] = []
    for sample in samples[name + "_bucket"] ?? [] {
      guard sample.labels.hasPrefix("le=\""), sample.labels.hasSuffix("\"") else { continue }
      let text = sample.labels.dropFirst(4).dropLast()
      guard let bound = text == "+Inf" ? .infinity : Double(text), !bound.isNaN, sample.value >= 0 else { continue }
      buckets.append((bound, sample.value))
    }
    buckets.sort { $0.bound < $1.bound }
    guard buckets.last?.bound == .infinity else { return [] }
    var below = 0.0
    for index in buckets.indices {
      guard buckets[index].count >= below, index == 0 || buckets[index - 1].bound < buckets[index].bound else {
        return []
      }
      (below, buckets[index].count) = (buckets[index].count, buckets[index].count - below)
    }
    return buckets
  }

  /// `name{label="value",…} value [time]`
  private static func sample(_ line: Substring.UTF8View) -> (name: String, Sample)? {
    guard line.first != UInt8(ascii: "#") else { return nil }
    let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let name = line.prefix { !isSpace($0) && $0 != UInt8(ascii: "{") }
    guard !name.isEmpty else { return nil }
    var rest = line[name.endIndex...]
    var labels = ""
    if rest.first == UInt8(ascii: "{") {
      guard let end = endOfLabels(rest) else { return nil }
      labels = String(Substring(rest[rest.index(after: rest.startIndex)..<end]))
      if labels.hasSuffix(",") { labels.removeLast() }
      rest = rest[rest.index(after: end)...]
    }
    let value = rest.drop(while: isSpace).prefix { !isSpace($0) }
    guard let number = Double(Substring(value)), number.isFinite else { return nil }
    return (String(Substring(name)), Sample(labels: labels, value: number))
  }

  /// The brace that ends the labels. One in a label's value does not.
  private static func endOfLabels(_ text: Substring.UTF8View) -> Substring.UTF8View.Index? {
    var isQuoted = false
    var isEscaped = false
    for index in text.indices {
      switch text[index] {
      case _ where isEscaped: isEscaped = false
      case UInt8(ascii: "\\") where isQuoted: isEscaped = true
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: "}") where !isQuoted: return index
      default: break
      }
    }
    return nil
  }
}
