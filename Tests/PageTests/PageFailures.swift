import TestSupport

@testable import Configuration
@testable import Page
@testable import Platform
@testable import Telemetry

/// The failures of an output, as the page shows them. Nobody is at the broker's address.
final class PageFailures {
  static let secret = "correct-horse-battery"
  /// Kafka allows no longer name for a topic of dead letters, so all of them are on disk, and no broker is asked.
  static let topic = String(repeating: "t", count: 248)

  let folder = TestFolder()
  let desk: FailureDesk
  let client: PageClient
  private let stop = StopFlag()
  private let thread: BackgroundThread

  init(token: String? = secret, lookInterval: Duration = .milliseconds(20), runs: Bool = true, asksKafka: Bool = false)
    throws
  {
    let configuration = try EnvironmentReader.read([
      "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PROCESSED_IMAGES_DIR": folder / "out",
      "TOPIC": asksKafka ? "images" : Self.topic,
      "STATE_DIR": folder / "state", "IMAGES_DIR": folder / "in",
    ])
    let log = LogLines()
    let desk = FailureDesk(
      configuration, log: log.log, stop: stop, lookInterval: lookInterval, peekInterval: .milliseconds(20))
    self.desk = desk
    let permission = PagePermission(token: token.flatMap { PageToken($0) }, hosts: [], log: log.log)
    client = PageClient(folder / "out", failures: FailureRequests(desk: desk, permission: permission))
    thread = BackgroundThread.start("failures") { if runs { desk.run() } }
  }

  deinit {
    stop.set()
    desk.close()
    thread.join()
  }

  /// Writes a dead letter to disk.
  func write(
    _ name: String, topic: String = topic, offset: Int = 0, kind: String = "EnvelopeError", reason: String = "why",
    headers: [String] = [], value: [UInt8] = Array("{}".utf8)
  ) throws {
    let errors = [
      "topic": topic, "partition": "0", "offset": "\(offset)", "stage": "VALUE_CONVERTER",
      "exception.class.name": kind, "exception.message": reason,
    ].map { "header: __connect.errors.\($0.key): \($0.value)" }
    let lines =
      ["image-pipeline dead letter 1", "written: 2026-11-23T23:31:16.123Z", "because: no broker", "key: \(name)"]
      + headers.map { "header: " + $0 } + errors + ["value: \(value.count) bytes", "", ""]
    try folder.write(
      "out/.image-pipeline/dead-letters/\(name).letter", Array(lines.joined(separator: "\n").utf8) + value)
  }

  func get(_ path: String = "", _ query: String = "") throws -> PageClient.Answer {
    try client.get("/api/failures\(path)\(query)", ["X-Image-Pipeline": "1"])
  }

  func post(_ query: String, token: String? = secret, _ headers: [String: String] = [:]) throws -> PageClient.Answer {
    var headers = headers.merging(["X-Image-Pipeline": "1"]) { first, _ in first }
    if let token { headers["Authorization"] = "Bearer \(token)" }
    return try client.get("/api/failures/replay" + query, method: "POST", headers)
  }

  /// The list, once a text is in it.
  func list(with text: String) throws -> String? {
    var answer = ""
    return eventually {
      answer = try get().text
      return answer.contains(text)
    } ? answer : nil
  }
}
