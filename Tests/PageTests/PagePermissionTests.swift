import TestSupport
import Testing

@testable import Configuration
@testable import Page
@testable import Platform
@testable import Telemetry

@Suite struct PagePermissionTests {
  private static let secret = "correct-horse-battery"
  private let log = LogLines()

  private func permission(_ token: String? = Self.secret, hosts: [String] = []) -> PagePermission {
    PagePermission(token: token.flatMap { PageToken($0) }, hosts: hosts, log: log.log)
  }

  /// The status of a refusal; nil if the request may change something.
  private func status(
    _ permission: PagePermission, token: String? = Self.secret, host: String = "localhost:8080",
    script: String? = "X-Image-Pipeline: 1", _ headers: String..., now: MonotonicClock.Instant = .now
  ) throws -> Int? {
    let lines =
      ["Host: \(host)", token.map { "Authorization: Bearer \($0)" }, script].compactMap { $0 } + headers
    let request = try HTTPRequest(
      head: Array(("POST /api/failures/replay HTTP/1.1\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
    return permission.refusal(of: request, now: now)?.status
  }

  @Test("a script of the page with the token may change something") func allowed() throws {
    #expect(try status(permission()) == nil)
    #expect(try status(permission(), "Sec-Fetch-Site: same-origin", "Origin: http://localhost:8080") == nil)
    #expect(try status(permission(), token: nil, "Authorization: bearer \(Self.secret)") == nil)
  }

  @Test("without PAGE_TOKEN nobody may, whatever token is given") func readOnly() throws {
    #expect(try status(permission(nil)) == 403)
    #expect(try status(permission(nil), token: "") == 403)
    #expect(!permission(nil).isPossible)
  }

  @Test("what is not from a script of the page may not") func forms() throws {
    #expect(try status(permission(), script: nil) == 403)
    for header in [
      "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: none", "Origin: null",
      "Origin: http://localhost:3000", "Origin: https://evil.example", "Origin: http://localhost:8080.evil.example",
      "Origin: file://localhost:8080", "Origin: http://localhost:8080, http://evil.example",
    ] { #expect(try status(permission(), header) == 403, "\(header)") }
  }

  @Test("a proxy's name that was allowed is the page's") func proxies() throws {
    let permission = permission(hosts: ["Pictures.example"])
    #expect(try status(permission, "Origin: https://pictures.example") == nil)
    #expect(try status(permission, "Origin: https://other.example") == 403)
  }

  @Test("a missing or wrong token is refused, and is in no log") func wrongTokens() throws {
    let permission = permission()
    #expect(try status(permission, token: nil) == 401)
    for header in ["Authorization: Basic \(Self.secret)", "Authorization: Bearer", "Authorization: \(Self.secret)"] {
      #expect(try status(permission, token: nil, header) == 401, "\(header)")
    }
    #expect(try status(permission, token: "wrong-horse-battery") == 401)
    #expect(log.entries.hasEvent("page_token_refused"))
    #expect(!log.entries.contains { "\($0)".contains("horse") })
    #expect(try status(permission) == nil)
  }

  @Test("wrong tokens are bounded in their rate, and meanwhile the right one is not looked at") func rate() throws {
    let permission = permission()
    let start = MonotonicClock.now
    var statuses: [Int?] = []
    for number in 0..<50 { statuses.append(try status(permission, token: "guess-\(number)", now: start)) }
    #expect(statuses.count { $0 == 401 } == 5 && statuses.count { $0 == 429 } == 45)
    #expect(try status(permission, now: start) == 429)
    // An hour of guessing: one try every 12 s.
    var tries = 0
    for second in 1...3_600 where try status(permission, token: "guess", now: start + .seconds(second)) == 401 {
      tries += 1
    }
    #expect((290...310).contains(tries), "\(tries)")
    #expect(try status(permission, now: start + .seconds(3_700)) == nil)
    // Right tokens are not counted.
    for _ in 0..<50 { #expect(try status(permission, now: start + .seconds(3_700)) == nil) }
    #expect(log.entries.count { $0.event == "page_token_refused" } < 70)
  }
}
