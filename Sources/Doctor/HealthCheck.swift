import Telemetry

/// Asks the producer or consumer that runs here for its health, if HTTP_PORT is set.
enum HealthCheck {
  static func look(_ settings: HTTPSettings?, _ report: DoctorReport) {
    guard let port = settings?.port else {
      return report.add(.ok("ready", "HTTP_PORT is not set: health is not checked"))
    }
    let answer = HTTPProbe.get(port: port, path: "/readyz", seconds: 5)
    report.add(finding(port: port, status: answer?.status, body: answer?.body ?? ""))
  }

  static func finding(port: Int, status: Int?, body: String) -> Finding {
    let said = body.split(separator: "\n").joined(separator: "; ")
    switch status {
    case nil: return .ok("ready", "no answer at port \(port): neither side runs here")
    case 200: return .ok("ready", "/readyz at port \(port): \(said)")
    case 503:
      return .problem(
        "ready", "/readyz at port \(port): \(said)", cure: "see the findings above, and its log (make logs)")
    default:
      return .note(
        "ready",
        "port \(port) answers /readyz with \(status!)", "another program may be there: set HTTP_PORT to a free port")
    }
  }
}
