import TestSupport
import Testing

@testable import Page
@testable import Platform

/// Who may send dead letters back by the page.
@Suite struct FailureReplayTests {
  @Test("the page is read-only without a token") func readOnly() throws {
    let failures = try PageFailures(token: nil, runs: false)
    #expect(try failures.get().text.contains("\"writable\":false"))
    let answer = try failures.post("?all=1")
    #expect(answer.status == 403 && answer.text.contains("PAGE_TOKEN"), "\(answer.text)")
    #expect(failures.desk.peek().replay == nil)
  }

  @Test("a replay needs POST, the token and the page's own script") func rules() throws {
    let failures = try PageFailures(runs: false)
    let get = try failures.get("/replay", "?all=1")
    #expect(get.status == 405 && get.headers["allow"] == "POST")
    #expect(try failures.post("?all=1", token: nil).status == 401)
    let wrong = try failures.post("?all=1", token: "wrong-horse-battery")
    #expect(wrong.status == 401 && wrong.headers["www-authenticate"] == "Bearer")
    #expect(try failures.post("?all=1", ["Sec-Fetch-Site": "cross-site"]).status == 403)
    #expect(try failures.post("?all=1", ["Origin": "https://evil.example"]).status == 403)
    let form = try failures.client.get(
      "/api/failures/replay?all=1", method: "POST", ["Authorization": "Bearer \(PageFailures.secret)"])
    #expect(form.status == 403)
    #expect(try failures.client.get("/api/failures/replay?all=1", host: "evil.example", method: "POST").status == 421)
    #expect(failures.desk.peek().replay == nil)
  }

  @Test(
    "a replay says which dead letters it is about",
    arguments: ["", "?all=0", "?all=1&x=2", "?partition=1", "?offset=1"])
  func unclear(query: String) throws {
    let failures = try PageFailures(runs: false)
    #expect(try failures.post(query).status == 400)
    #expect(failures.desk.peek().replay == nil)
  }

  @Test("one replay runs at a time") func oneAtATime() throws {
    let failures = try PageFailures(runs: false)
    #expect(try failures.post("?all=1").status == 202)
    #expect(try failures.get().text.contains("\"replay\":{\"id\":1,\"all\":true,\"running\":true"))
    #expect(try failures.post("?file=a.letter").status == 409)
  }

  @Test(
    "nothing else can be posted",
    arguments: ["/", "/page.js", "/api/pictures", "/pictures/1", "/events", "/api/failures", "/x"])
  func otherAddresses(path: String) throws {
    let failures = try PageFailures(runs: false)
    let answer = try failures.client.get(
      path, method: "POST", ["X-Image-Pipeline": "1", "Authorization": "Bearer \(PageFailures.secret)"])
    #expect(answer.status == 405 && answer.headers["allow"] == "GET, HEAD")
  }
}
