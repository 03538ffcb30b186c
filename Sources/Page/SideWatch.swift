import Platform
import Synchronization
import Telemetry

/// Asks producers and consumers for their metrics, on a thread of its own, and keeps the numbers of the last 15 minutes.
/// It also asks while nobody looks, so that a page that is opened shows the past.
///
/// Clients of the event stream get an event `numbers` with each new point.
final class SideWatch: Sendable {
  private struct Shown {
    var series: NumberSeries
    var state = PipelineState()
    var producerTotal = SideTable.Total()
    var consumerTotal = SideTable.Total()
    var floors: [SideReading.Kind: Double] = [:]
    var producers: [SideAddress] = []
    var listeners: [EventStream] = []
  }

  private let resolver: SideResolver
  private let interval: Duration
  private let shown: Mutex<Shown>

  /// Together less than the interval, so that a side that does not answer causes no gaps in the numbers of the others.
  private let metricsTimeout: Duration
  private let reasonsTimeout: Duration
  private static let mostSides = 64
  private static let largestMetrics = 256 << 10
  private static let largestReasons = 16 << 10

  init(_ names: [TCPProbe.Address], interval: Duration = .seconds(2), points: Int = 450) {
    self.interval = interval
    metricsTimeout = interval * 0.6
    reasonsTimeout = interval * 0.3
    resolver = SideResolver(names)
    shown = Mutex(Shown(series: NumberSeries(interval: interval, capacity: points)))
  }

  /// Runs until the flag is set.
  func run(until stop: StopFlag) {
    resolver.start(every: interval * 2.5, until: stop)
    _ = resolver.isComplete.wait(for: interval / 2)
    var table = SideTable()
    repeat {
      let time = WallClock.milliseconds
      let (sides, failures) = resolver.now
      let reports = ask(Array(sides.prefix(Self.mostSides)))
      let point = table.take(reports, failures: failures, at: .now)
      let producers = reports.compactMap { side, report in
        if case .reading(let reading, _) = report, reading.kind == .producer { side } else { nil }
      }
      show(point, table, producers, at: time)
    } while !stop.wait(for: untilNext)
  }

  /// Points are taken when an interval of the wall clock begins, so that each has its slot.
  private var untilNext: Duration {
    let length = Int64(interval.inMilliseconds)
    return .milliseconds(length - WallClock.milliseconds % length)
  }

  private func ask(_ sides: [SideAddress]) -> [(side: SideAddress, report: SideTable.Report)] {
    func get(_ sides: [SideAddress], _ path: String, _ timeout: Duration, _ limit: Int) -> [HTTPProbe.Answer?] {
      HTTPProbe.get(
        sides.map { HTTPProbe.Target(address: $0.address, port: $0.name.port, path: path) }, timeout: timeout,
        atMost: limit)
    }
    var reports: [(side: SideAddress, report: SideTable.Report)] = []
    var unready: [Int] = []
    for (side, answer) in zip(sides, get(sides, "/metrics", metricsTimeout, Self.largestMetrics)) {
      guard let answer else {
        reports.append((side, .silent))
        continue
      }
      guard answer.status == 200, let reading = SideReading(MetricsReading(answer.body)) else {
        reports.append((side, .stranger))
        continue
      }
      if !reading.isReady { unready.append(reports.count) }
      reports.append((side, .reading(reading, reasons: [])))
    }
    // Only a side that is not ready is asked for its reasons.
    for (index, answer) in zip(
      unready, get(unready.map { reports[$0].side }, "/readyz", reasonsTimeout, Self.largestReasons))
    {
      guard case .reading(let reading, _) = reports[index].report else { continue }
      // With 200 it has become ready meanwhile.
      let reasons =
        answer.map { $0.status == 200 ? [] : $0.body.split(separator: "\n").map { String($0) } } ?? ["not ready"]
      reports[index].report = .reading(reading, reasons: reasons)
    }
    return reports
  }

  private func show(_ point: NumberPoint, _ table: SideTable, _ producers: [SideAddress], at time: Int64) {
    shown.withLock { shown in
      shown.series.append(point, at: time)
      shown.state.update(point, table.troubles, at: time)
      (shown.producerTotal, shown.consumerTotal) = (table.total(.producer), table.total(.consumer))
      shown.floors = table.floors
      shown.producers = producers
      shown.listeners.removeAll { $0.isClosed }
      guard !shown.listeners.isEmpty else { return }
      let data = "{\(Self.facts(shown)),\"point\":\(point.json)}"
      // Without an id: the id of a stream is the newest picture.
      for stream in shown.listeners { stream.send("numbers", id: nil, data: data) }
    }
  }

  private static func facts(_ shown: Shown) -> String {
    "\"interval\":\(shown.series.interval),\"time\":\(shown.series.time ?? 0),\"state\":\(shown.state.json),"
      + "\"producers\":\(shown.producerTotal.sides),\"consumers\":\(shown.consumerTotal.sides),"
      + "\"fileFloor\":\(shown.floors[.producer] ?? 0),\"sentFloor\":\(shown.floors[.consumer] ?? 0),"
      + "\"totals\":{\"sent\":\(shown.producerTotal.json),\"stored\":\(shown.consumerTotal.json)}"
  }

  /// The producers that have answered last.
  var producers: [SideAddress] { shown.withLock { $0.producers } }

  // MARK: Clients

  func add(_ stream: EventStream) { shown.withLock { $0.listeners.append(stream) } }

  /// All points.
  var json: String {
    let shown = shown.withLock { $0 }
    return "{\(Self.facts(shown)),\"series\":\(shown.series.json)}"
  }
}
