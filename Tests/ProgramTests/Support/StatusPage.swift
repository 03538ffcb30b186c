@testable import Telemetry

/// What a side tells of itself over HTTP.
struct StatusPage {
  let port: Int

  var ready: HTTPProbe.Answer? { ask("/readyz") }
  var live: HTTPProbe.Answer? { ask("/healthz") }

  private func ask(_ path: String) -> HTTPProbe.Answer? { HTTPProbe.get(port: port, path: path, seconds: 5) }

  /// The value of a series; nil where there is none.
  func value(_ series: String) -> Double? {
    let lines = ask("/metrics")?.body.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.utf8.count + 1)) }
  }
}
