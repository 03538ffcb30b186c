import Telemetry

/// What protects the page from strangers' names and bytes, and from other sites.
struct PageGuard: Sendable {
  /// Names under which browsers may reach the page, in lower case.
  private let hosts: Set<String>

  init(hosts: [String]) {
    self.hosts = Set(["localhost", "127.0.0.1", "[::1]"] + hosts.map { $0.lowercased() })
  }

  /// - Returns: the response to a request that another site may have caused; nil if the request is fine.
  func refusal(of request: HTTPRequest) -> HTTPResponse? {
    // Probes ask them by address, and learn nothing.
    if request.path == "/healthz" || request.path == "/readyz" { return nil }
    // A site that makes its own name resolve to this machine (DNS rebinding) would have our origin otherwise.
    guard let host = request.header("Host"), hosts.contains(Self.name(of: host)) else {
      return HTTPResponse(
        status: 421, body: "This name is not one of the page's. To allow it, add it to PAGE_HOSTS.\n")
    }
    // Links to the page work from anywhere. Its parts are for the page alone.
    if request.path != "/", let site = request.header("Sec-Fetch-Site"), site != "same-origin", site != "none" {
      return HTTPResponse(status: 403, body: "This is for the page itself, not for other sites.\n")
    }
    return nil
  }

  /// A host without its port, in lower case.
  static func name(of host: String) -> String {
    let host = host.lowercased()
    if host.hasPrefix("[") { return host.firstIndex(of: "]").map { String(host[...$0]) } ?? host }
    return String(host.prefix { $0 != ":" })
  }

  /// Whether a request comes from a script of the page. No form, link or image of another site can send this header
  /// without asking first, and the answer to that would be no.
  static func isFromScript(_ request: HTTPRequest) -> Bool { request.header("X-Image-Pipeline") != nil }

  /// Adds what tells browsers to allow nothing else.
  static func protect(_ response: HTTPResponse, at path: String) -> HTTPResponse {
    var response = response
    // Strangers' bytes are not even allowed to have a style, should a browser ever take them for a document.
    let policy =
      path.hasPrefix("/pictures/")
      ? "default-src 'none'; sandbox; frame-ancestors 'none'"
      : "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"
    response.headers += [
      ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
      ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
      ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    if !response.headers.contains(where: { $0.name == "Cache-Control" }) {
      response.headers.append(("Cache-Control", "no-cache"))
    }
    return response
  }
}
