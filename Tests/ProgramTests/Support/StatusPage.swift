@testable import Telemetry

/// What a side reports over HTTP.
struct StatusPage {
  let port: Int

  /// A port that is free at the moment.
  static func freePort() throws -> Int {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { server.stop() }
    return server.port
  }

  var ready: HTTPProbe.Answer? { ask("/readyz") }
  var live: HTTPProbe.Answer? { ask("/healthz") }

  func ask(_ path: String) -> HTTPProbe.Answer? { HTTPProbe.get(port: port, path: path, seconds: 5) }

  /// The lines of all metrics.
  var metrics: [Substring] { ask("/metrics")?.body.split(separator: "\n") ?? [] }

  /// The value of a series; nil if there is no such series.
  func value(_ series: String) -> Double? {
    metrics.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.utf8.count + 1)) }
  }
}
