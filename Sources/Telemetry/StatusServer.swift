import Platform

/// Serves the state of a side over HTTP: `/healthz` (it is alive), `/readyz` (it works), `/metrics` (Prometheus).
package final class StatusServer: Sendable {
  private let server: HTTPServer

  package var port: Int { server.port }

  /// - Parameters:
  ///   - settings: nil for no server. If the server cannot listen, this is only logged and there is no server: the
  ///     images matter more.
  ///   - refused: the files that a producer cannot send, for `/refused`: JSON, one object in a line.
  ///   - metrics: adds the side's own metrics to the page.
  package init?(
    _ settings: HTTPSettings?, health: Health, log: Log, refused: (@Sendable () -> String)? = nil,
    metrics: @escaping @Sendable (inout MetricsText) -> Void
  ) {
    guard let settings else { return nil }
    do {
      server = try HTTPServer(address: settings.address, port: settings.port) { request in
        // It has names of files. A site that makes its own name lead to this machine must not read them.
        if request.path == "/refused", let refused, Self.isByAddress(request.header("Host") ?? "") {
          return HTTPResponse(contentType: "application/jsonl; charset=utf-8", body: refused())
        }
        return Self.respond(request.path, health, metrics)
      }
    } catch {
      log.warning(
        event: "http_failed", "health and metrics are not served over HTTP: \(error)", ["error": .name(of: error)])
      return nil
    }
    log.info(
      event: "http_started", "health and metrics are served over HTTP",
      ["address": .string(settings.address), "port": .of(server.port)])
  }

  package func stop() { server.stop() }

  /// Whether a host is an address or `localhost`, and no other name.
  private static func isByAddress(_ host: String) -> Bool {
    let name = host.hasPrefix("[") ? host.prefix { $0 != "]" } + "]" : host.prefix { $0 != ":" }
    let isAddress = name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    return name == "localhost" || host.hasPrefix("[") || (isAddress && !name.isEmpty)
  }

  private static func respond(
    _ path: String, _ health: Health, _ metrics: (inout MetricsText) -> Void
  ) -> HTTPResponse? {
    let report = health.report()
    switch path {
    case "/": return HTTPResponse(body: "image-pipeline \(Product.version)\n/healthz /readyz /metrics /refused\n")
    case "/healthz": return answer(report.isAlive, report.reasons)
    case "/readyz": return answer(report.isReady, report.reasons)
    case "/metrics":
      var text = MetricsText()
      metrics(&text)
      text.gauge("image_pipeline_ready", "1 if everything that the work needs is available.", report.isReady ? 1 : 0)
      text.addProcess()
      return HTTPResponse(contentType: MetricsText.contentType, body: text.text)
    default: return nil
    }
  }

  private static func answer(_ isWell: Bool, _ reasons: [String]) -> HTTPResponse {
    HTTPResponse(
      status: isWell ? 200 : 503, body: (isWell && reasons.isEmpty ? ["ok"] : reasons).joined(separator: "\n") + "\n")
  }
}

/// The address on which a side listens.
package struct HTTPSettings: Equatable, Sendable {
  package var address: String
  /// 0 for any free port.
  package var port: Int

  package init(address: String, port: Int) {
    self.address = address
    self.port = port
  }
}

extension MetricsText {
  /// Metrics that every process has, under Prometheus' own names for them.
  fileprivate mutating func addProcess() {
    let now = ProcessStatistics.now()
    gauge(
      "image_pipeline_build_info", "1, with the version as a label.", [([("version", Product.version)], 1)])
    counter("process_cpu_seconds_total", "User and system time, in seconds.", now.processorSeconds)
    gauge("process_resident_memory_bytes", "Resident memory.", Double(now.residentMemory))
    gauge("process_open_fds", "Open file descriptors.", Double(now.openFiles))
  }

  /// The free space and the size of the file systems that a side writes to, labelled by what it writes there.
  package mutating func disks(_ paths: [(role: String, path: String)]) {
    let found = paths.compactMap { entry in DiskSpace.of(entry.path).map { (entry.role, $0) } }
    gauge(
      "image_pipeline_disk_free_bytes", "What may still be written to the file system.",
      found.map { ([("role", $0.0)], Double($0.1.free)) })
    gauge(
      "image_pipeline_disk_size_bytes", "The size of the file system.",
      found.map { ([("role", $0.0)], Double($0.1.size)) })
  }
}
