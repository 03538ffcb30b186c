import Configuration
import Platform
import Synchronization
import Telemetry

/// Decides which requests may change something: those of the page's own script, made by a person who knows the token.
final class PagePermission: Sendable {
  private let token: PageToken?
  /// In lower case.
  private let hosts: Set<String>
  private let log: Log
  private let tries = Mutex(Tries())
  private let repetitions = Repetitions(interval: .seconds(60))

  /// Whether there is a token. Without one, nobody may change anything.
  var isPossible: Bool { token != nil }

  init(token: PageToken?, hosts: [String], log: Log) {
    self.token = token
    self.hosts = Set(hosts.map { $0.lowercased() })
    self.log = log
  }

  /// - Returns: the response to a request that may change nothing; nil if it may.
  func refusal(of request: HTTPRequest, now: MonotonicClock.Instant = .now) -> HTTPResponse? {
    guard PageGuard.isFromScript(request), isFromHere(request) else {
      return .problem(403, "only the page's own script may change something")
    }
    guard let token else {
      return .problem(403, "the page is read-only: to allow changes, set PAGE_TOKEN and start the page again")
    }
    guard let given = Self.token(in: request.header("Authorization")) else {
      return Self.unauthorised("a token is needed")
    }
    // While there were too many wrong tokens, none is compared, not even the right one.
    guard tries.withLock({ $0.areLeft(now) }) else {
      var response = HTTPResponse.problem(429, "there were too many wrong tokens: try again in a minute")
      response.headers.append(("Retry-After", "60"))
      return response
    }
    guard token.matches(given) else {
      tries.withLock { $0.spend(now) }
      if let unsaid = repetitions.note("", now: now) {
        log.warning(
          event: "page_token_refused", "somebody gave the page a wrong token", ["suppressed": .unlessZero(unsaid)])
      }
      return Self.unauthorised("this is not the token")
    }
    return nil
  }

  private static func unauthorised(_ text: String) -> HTTPResponse {
    var response = HTTPResponse.problem(401, text)
    response.headers.append(("WWW-Authenticate", "Bearer"))
    return response
  }

  /// Whether the browser, if it tells, says that the page itself sends the request.
  private func isFromHere(_ request: HTTPRequest) -> Bool {
    if let site = request.header("Sec-Fetch-Site"), site != "same-origin" { return false }
    guard let origin = request.header("Origin") else { return true }
    guard let scheme = ["http://", "https://"].first(where: { origin.hasPrefix($0) }) else { return false }
    let host = origin.dropFirst(scheme.count).lowercased()
    // A proxy with a name of its own may ask for the page by another name.
    return host == request.header("Host")?.lowercased() || hosts.contains(PageGuard.name(of: host))
  }

  private static func token(in header: String?) -> String? {
    let parts = (header ?? "").split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }

  /// Bounds how fast tokens can be guessed: some at once, and then one now and then.
  private struct Tries {
    private var spent = 0.0
    private var last: MonotonicClock.Instant?

    private static let most = 5.0
    private static let seconds = 12.0

    mutating func areLeft(_ now: MonotonicClock.Instant) -> Bool {
      if let last { spent = max(0, spent - (now - last) / .seconds(1) / Self.seconds) }
      last = now
      return spent <= Self.most - 1
    }

    mutating func spend(_ now: MonotonicClock.Instant) { spent += 1 }
  }
}

extension HTTPResponse {
  static func json(_ text: String, status: Int = 200) -> HTTPResponse {
    var response = HTTPResponse(status: status, contentType: "application/json", body: text)
    response.headers.append(("Cache-Control", "no-store"))
    return response
  }

  /// - Parameter text: for people.
  static func problem(_ status: Int, _ text: String) -> HTTPResponse {
    .json("{\"problem\":" + Fields.json([("text", .string(text))]) + "}", status: status)
  }
}
