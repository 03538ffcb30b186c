import Platform
import Telemetry

/// One address of a producer or consumer.
struct SideAddress: Hashable, Sendable {
  /// As it is configured. Several addresses may have one name.
  let name: TCPProbe.Address
  /// Numeric.
  let address: String

  var isIPv6: Bool { address.utf8.contains(UInt8(ascii: ":")) }
}

/// Remembers what sides reported, and derives numbers from two reports.
struct SideTable {
  enum Report {
    /// - Parameter reasons: why it is not ready, in its own words.
    case reading(SideReading, reasons: [String])
    case silent
    /// It answers, but not as a side does.
    case stranger
  }

  private struct Memory {
    var reading: SideReading?
    var time: MonotonicClock.Instant
    /// Rounds in a row without a reading.
    var misses = 0
    /// Rounds in a row in which something was wrong, and what.
    var bad = 0
    var words: [String] = []
  }

  private var memories: [SideAddress: Memory] = [:]
  private var unresolved: [TCPProbe.Address: Memory] = [:]
  /// The last intervals, oldest first.
  private var intervals: [Interval] = []
  /// The first bounds of the histograms. Times below them are not known better.
  private(set) var floors: [SideReading.Kind: Double] = [:]

  /// What was added in one interval.
  private struct Interval {
    /// Images and bytes a second.
    var rates: [SideReading.Kind: (images: Double, bytes: Double)] = [:]
    var buckets: [SideReading.Kind: [Double: Double]] = [:]

    mutating func add(_ increase: SideReading.Increase, of kind: SideReading.Kind, in seconds: Double) {
      var rate = rates[kind] ?? (images: 0, bytes: 0)
      rate.images += increase.images / seconds
      rate.bytes += increase.bytes / seconds
      rates[kind] = rate
      buckets[kind, default: [:]].merge(increase.buckets, uniquingKeysWith: +)
    }
  }

  /// Rates are means of this many intervals: batches come in jumps.
  private static let rateIntervals = 5
  /// Quantiles are those of this many intervals: of a few observations they would be accidental.
  private static let quantileIntervals = 30
  /// Rounds after which something is wrong: one may be an accident.
  private static let patience = 2
  private static let longestWords = 400
  private static let mostWords = 4

  // MARK: A round

  /// - Parameters:
  ///   - reports: all addresses, with what they report.
  ///   - failures: the names that cannot be resolved, and why.
  mutating func take(
    _ reports: [(side: SideAddress, report: Report)], failures: [TCPProbe.Address: String] = [:],
    at now: MonotonicClock.Instant
  ) -> NumberPoint {
    let reports = Self.withoutOtherFamily(reports)
    let known = Set(reports.map(\.side))
    memories = memories.filter { known.contains($0.key) }
    var interval = Interval()
    var deadLetters: Double?
    for (side, report) in reports {
      var memory = memories[side] ?? Memory(reading: nil, time: now)
      if case .reading(let reading, _) = report {
        if let earlier = memory.reading, now > memory.time, let increase = reading.increase(since: earlier) {
          interval.add(increase, of: reading.kind, in: (now - memory.time) / .seconds(1))
          if reading.kind == .consumer { deadLetters = (deadLetters ?? 0) + increase.deadLetters }
        }
        if let floor = reading.buckets.keys.min(), floor.isFinite { floors[reading.kind] = floor }
        (memory.reading, memory.time, memory.misses) = (reading, now, 0)
      } else {
        memory.misses += 1
      }
      memory.words = Self.words(report)
      memory.bad = memory.words.isEmpty ? 0 : memory.bad + 1
      memories[side] = memory
    }
    let before = unresolved
    unresolved = Dictionary(
      uniqueKeysWithValues: failures.map { name, reason in
        (name, Memory(time: now, bad: (before[name]?.bad ?? 0) + 1, words: [Self.unresolvedWords(reason)]))
      })
    intervals.append(interval)
    if intervals.count > Self.quantileIntervals { intervals.removeFirst() }
    var point = derived()
    point[.dead] = deadLetters
    return point
  }

  /// A name may have addresses of both families that lead to the same process, which must not count twice.
  private static func withoutOtherFamily(
    _ reports: [(side: SideAddress, report: Report)]
  ) -> [(side: SideAddress, report: Report)] {
    var families: [TCPProbe.Address: Bool] = [:]
    for (side, _) in reports where families[side.name] == nil { families[side.name] = side.isIPv6 }
    for isIPv6 in [true, false] {
      for case (let side, .reading) in reports where side.isIPv6 == isIPv6 { families[side.name] = isIPv6 }
    }
    return reports.filter { families[$0.side.name] == $0.side.isIPv6 }
  }

  private func derived() -> NumberPoint {
    var point = NumberPoint()
    for kind in [SideReading.Kind.producer, .consumer] {
      let recent = intervals.suffix(Self.rateIntervals).compactMap { $0.rates[kind] }
      // Without a value now there is none, however many there were before.
      if intervals.last?.rates[kind] != nil {
        let count = Double(recent.count)
        point[kind == .producer ? .incoming : .stored] = recent.reduce(0) { $0 + $1.images } / count
        point[kind == .producer ? .incomingMB : .storedMB] = recent.reduce(0) { $0 + $1.bytes } / count / 1e6
      }
      var buckets: [Double: Double] = [:]
      for interval in intervals { buckets.merge(interval.buckets[kind] ?? [:], uniquingKeysWith: +) }
      point[kind == .producer ? .file50 : .sent50] = Quantile.of(buckets, 0.5)
      point[kind == .producer ? .file99 : .sent99] = Quantile.of(buckets, 0.99)
    }
    let current = current
    func sum(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.reduce(0, +) }
    point[.lag] = sum(current.compactMap { $0.kind == .consumer ? $0.backlog : nil })
    point[.unsent] = sum(current.compactMap { $0.kind == .producer ? $0.backlog : nil })
    point[.receipts] = sum(current.compactMap(\.receipts))
    return point
  }

  // MARK: What is wrong

  /// What has been wrong for at least two rounds.
  var troubles: [PipelineState.Trouble] {
    let names = unresolved.filter { $0.value.bad >= Self.patience }.map { ("\($0.key)", $0.value.words) }
    let sides = memories.filter { $0.value.bad >= Self.patience }.map { side, memory in
      (described(side, memory.reading?.kind), memory.words)
    }
    return (names + sides).sorted { $0.0 < $1.0 }.map { PipelineState.Trouble(side: $0.0, words: $0.1) }
  }

  /// The sides of a kind that report, with what they did since they started.
  func total(_ kind: SideReading.Kind) -> Total {
    current.filter { $0.kind == kind }.reduce(into: Total()) { total, reading in
      total.sides += 1
      total.images += reading.images
      total.bytes += reading.bytes
    }
  }

  struct Total {
    var sides = 0
    var images = 0.0
    var bytes = 0.0

    /// An array of images and bytes.
    var json: String { "[\(Int64(images)),\(Int64(bytes))]" }
  }

  private var current: [SideReading] { memories.values.filter { $0.misses < Self.patience }.compactMap(\.reading) }

  /// `consumer:8080`, or `consumer:8080 (172.18.0.5)` if there are several.
  private func described(_ side: SideAddress, _ kind: SideReading.Kind?) -> String {
    let isOnly = memories.keys.count { $0.name == side.name } == 1
    let address = isOnly ? "\(side.name)" : "\(side.name) (\(side.address))"
    guard let kind, !side.name.host.hasPrefix(kind.rawValue) else { return address }
    return "\(kind.rawValue) at \(address)"
  }

  private static func words(_ report: Report) -> [String] {
    switch report {
    case .reading(let reading, let reasons):
      if reading.isReady { return [] }
      return reasons.prefix(mostWords).map { String($0.unicodeScalars.prefix(longestWords)) }
    case .silent:
      return ["no answer: start it, with HTTP_PORT set to this port, or correct PAGE_SIDES"]
    case .stranger:
      return ["it answers, but is neither a producer nor a consumer: correct PAGE_SIDES"]
    }
  }

  private static func unresolvedWords(_ reason: String) -> String {
    "its name is unknown here (\(reason)): start it, or correct PAGE_SIDES"
  }
}
