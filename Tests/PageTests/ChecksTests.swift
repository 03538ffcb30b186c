import TestSupport
import Testing

@testable import Page
@testable import Platform

struct ChecksTests {
  private let stop = StopFlag()

  /// Checks whose program is a shell script.
  private func checks(_ script: String, pause: Duration = .zero) -> Checks {
    Checks(
      program: "/bin/sh", environment: ["PATH": "/usr/bin:/bin"], pause: pause, stop: stop
    ) { ["-c", script.replacing("KIND", with: $0.rawValue)] }
  }

  private func run(_ script: String) -> String {
    let checks = checks(script)
    #expect(checks.start(.audit))
    #expect(eventually { checks.json.contains("\"running\":null") })
    return checks.json
  }

  @Test("the findings of a check are kept in order, with its code") func findings() throws {
    let json = run("echo '{\"finding\":\"1\"}'; echo '{\"finding\":\"2\"}'; echo '{\"findings\":2}'; exit 1")
    #expect(json.contains(#""lines":["{\"finding\":\"1\"}","{\"finding\":\"2\"}","{\"findings\":2}"]"#), "\(json)")
    #expect(json.contains("\"code\":1,\"omitted\":0,\"trouble\":null"))
    #expect(json.contains("\"doctor\":null"))
  }

  @Test("of many findings the first ones and the counts are kept") func manyFindings() throws {
    let json = run("seq 5000 | sed 's/.*/{\"finding\":\"&\"}/'; echo '{\"findings\":5000}'")
    #expect(json.contains("\"omitted\":4700"))
    #expect(json.contains(#""{\"finding\":\"300\"}","{\"findings\":5000}"]"#), "\(json.suffix(200))")
  }

  @Test("long and broken lines stay texts, and their number of bytes is bounded") func brokenLines() throws {
    let json = run("printf '{\"finding\":\"%0200000d\"}\\n' 1 2 3 4 5 6 7 8 9; printf '{\"broken'; kill -KILL $$")
    #expect(json.utf8.count < 600_000)
    #expect(json.hasSuffix(#","{\"broken"]},"doctor":null}"#), "\(json.suffix(100))")
    #expect(json.contains("\"code\":137"))
  }

  @Test("a check that cannot be made says why") func trouble() throws {
    let json = run("echo 'Fatal error: noise' >&2; echo '{\"message\":\"no broker\"}' >&2; exit 1")
    #expect(json.contains(#""trouble":"{\"message\":\"no broker\"}","lines":[]"#), "\(json)")
    let absent = Checks(program: "/nowhere/program", environment: [:], stop: stop) { _ in [] }
    #expect(absent.start(.doctor))
    #expect(eventually { absent.json.contains("\"running\":null") })
    #expect(absent.json.contains("/nowhere/program"))
  }

  @Test("a check does not get the page's secret") func secret() throws {
    let environment = ["PATH": "/usr/bin:/bin", "PAGE_TOKEN": "secret", "TOPIC": "images"]
    let checks = Checks(program: "/bin/sh", environment: environment, stop: stop) { _ in
      ["-c", "echo \"{\\\"token\\\":\\\"$PAGE_TOKEN\\\",\\\"topic\\\":\\\"$TOPIC\\\"}\""]
    }
    #expect(checks.start(.audit))
    #expect(eventually { checks.json.contains(#"{\"token\":\"\",\"topic\":\"images\"}"#) })
  }

  @Test("one check runs at a time, and the next one only after a pause") func oneAtATime() throws {
    let checks = checks("echo '{}'", pause: .seconds(3_600))
    #expect(checks.start(.audit))
    #expect(!checks.start(.doctor))
    #expect(eventually { checks.json.contains("\"running\":null") })
    #expect(!checks.start(.doctor))
  }

  @Test("a running check shows what it has found so far, and ends when the page stops") func stopping() throws {
    let checks = checks("echo '{\"finding\":\"KIND\"}'; while :; do sleep 0.05; done")
    #expect(checks.start(.doctor))
    #expect(eventually { checks.json.contains(#""lines":["{\"finding\":\"doctor\"}"]"#) })
    #expect(checks.json.contains("\"running\":\"doctor\""))
    stop.set()
    checks.finish()
    #expect(checks.json.contains("\"running\":null"))
    #expect(!checks.start(.doctor))
  }

  @Test("only a script of the page starts a check") func requests() throws {
    let folder = TestFolder()
    let client = PageClient(folder.path, checks: checks("echo '{\"findings\":0}'"))
    let header = ["X-Image-Pipeline": "1"]
    #expect(try client.get("/api/checks/audit", header).status == 405)
    #expect(try client.get("/api/checks/audit", method: "POST").status == 403)
    let foreign = header.merging(["Sec-Fetch-Site": "cross-site"]) { $1 }
    #expect(try client.get("/api/checks/audit", method: "POST", foreign).status == 403)
    #expect(try client.get("/api/checks/rm", method: "POST", header).status == 404)
    #expect(try client.get("/api/checks").text.contains("\"audit\":null"))
    let answer = try client.get("/api/checks/audit", method: "POST", header)
    #expect(answer.status == 202)
    #expect(!answer.text.contains("\"audit\":null"), "\(answer.text)")
    #expect(eventually { try client.get("/api/checks").text.contains(#""lines":["{\"findings\":0}"]"#) })
    let without = PageClient(folder.path)
    #expect(try without.get("/api/checks/audit", method: "POST", header).status == 404)
  }
}
