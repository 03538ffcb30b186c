import Testing

@testable import Configuration
@testable import Doctor
@testable import Platform
@testable import Telemetry

/// The report for people and programs, and checks that need neither a broker nor a folder.
@Suite struct DoctorReportTests {
  private func shown(_ format: LogFormat, isStopped: Bool = false) -> (String, DoctorReport.Counts) {
    var text = ""
    let report = DoctorReport(format: format) { text += $0 }
    report.begin(.versions)
    report.add(.ok("versions", "1.0"))
    report.begin(.clock)
    report.begin(.sizes)
    report.add([
      .note("fetch_size", "small", "more").of("a limit", "1,000"), .problem("batch_size", "a\u{1B}[2Jb", cure: "c\nd"),
    ])
    report.end(isStopped: isStopped)
    return (text, report.counts)
  }

  @Test("findings are grouped, each with its fix below") func findingsAreGroupedWithFixes() {
    let (text, counts) = shown(.text)
    #expect(
      text == """
        Versions
          ok       1.0

        Size limits
          note     a limit                                         1,000  small
                     more
          PROBLEM  a\\u001b[2Jb
                     fix: c\\nd

        1 problem, 1 note, 1 ok

        """)
    #expect(counts == .init(ok: 1, notes: 1, problems: 1))
    #expect(shown(.text, isStopped: true).0.contains("\nStopped before the end: 1 problem"))
  }

  @Test("each finding is an object in JSON") func jsonFindingIsAnObject() {
    let (text, _) = shown(.json)
    #expect(
      text.split(separator: "\n") == [
        #"{"area":"versions","check":"versions","finding":"ok","text":"1.0"}"#,
        #"{"area":"size limits","check":"fetch_size","finding":"note","name":"a limit","value":"1,000","text":"small","#
          + #""advice":"more"}"#,
        #"{"area":"size limits","check":"batch_size","finding":"problem","text":"a\u001b[2Jb","cure":"c\nd"}"#,
        #"{"ok":1,"notes":1,"problems":1,"stopped":false}"#,
      ])
  }

  // MARK: Versions, clock and process

  @Test(
    "client versions with known faults are noted",
    arguments: [
      ("1.8.2", "1.9.0"), ("1.9.2", "2.0.2"), ("2.0.1", "2.0.2"), ("2.0.2", nil),
      ("2.4.0", nil), ("2.5.0", "KAFKA_ENABLE_METRICS_PUSH=false"), ("2.5.3", nil), ("2.6.0", "2.6.1"),
      ("2.6.1-RC1", nil), ("2.8.0", nil), ("2.10.1", nil), ("10.0", nil),
    ])
  func faultyClientVersionsAreNoted(version: String, words: String?) {
    let findings = VersionCheck(client: version).findings()
    #expect(findings.first?.text.contains(", librdkafka \(version), ") == true)
    #expect(findings.keys == ["versions ok"] + (words == nil ? [] : ["client_version note"]))
    if let words, let note = findings.last { #expect(note.text.contains(words) || note.cure!.contains(words)) }
  }

  @Test("an impossible clock is a problem") func impossibleClockIsAProblem() {
    let keys = { (now: Int64, isSynchronised: Bool?) in
      ClockCheck(now: now, isSynchronised: isSynchronised).findings().keys
    }
    let wrong = ["clock_plausible problem"]
    #expect(keys(0, true) == wrong && keys(5_000_000_000_000, nil) == wrong)
    let right = ["clock_synchronised ok"]
    #expect(keys(1_800_000_000_000, true) == right && keys(1_800_000_000_000, nil) == right)
    #expect(keys(1_800_000_000_000, false) == ["clock_synchronised note"])
    #expect(ClockCheck.fileSystem("out", difference: 1_999) == [])
    #expect(ClockCheck.fileSystem("out", difference: -61_000).first?.text.contains("61 s behind") == true)
  }

  private func process(_ limits: ProcessLimits, needed: Int = 96_000_000) -> [String] {
    ProcessCheck(uid: 1, gid: 2, limits: limits, memoryNeeded: needed).findings().keys
  }

  @Test("limits below what is needed are problems") func lowLimitsAreProblems() {
    let roomy = ProcessLimits(openFiles: 1_024, memory: 256 << 20, inotifyWatches: nil, inotifyInstances: nil)
    #expect(process(roomy) == ["user ok", "open_files ok", "memory ok"])
    var tight = roomy
    tight.openFiles = 256
    #expect(process(tight) == ["user ok", "open_files problem", "memory ok"])
    tight.memory = 64 << 20
    #expect(process(tight) == ["user ok", "open_files problem", "memory problem"])
    #expect(process(roomy, needed: 300 << 20) == ["user ok", "open_files ok", "memory problem"])
    tight.memory = nil
    tight.openFiles = 0
    #expect(process(tight) == ["user ok", "memory ok"])
  }

  @Test("settings raised above their defaults need more memory") func raisedSettingsNeedMemory() throws {
    let raised = try EnvironmentReader.read(["IN_FLIGHT_BYTES": "108388608", "BATCH_BYTES": "66777216"])
    let needed = { ProcessCheck.memoryNeeded(raised.producer, raised.consumer, .init(producer: $0, consumer: $1)) }
    #expect(needed(true, true) == 196_000_000 && needed(false, true) == 146_000_000)
    let usual = try EnvironmentReader.read(["IN_FLIGHT_BYTES": "1000000", "BATCH_BYTES": "1"])
    #expect(
      ProcessCheck.memoryNeeded(usual.producer, usual.consumer, .init(producer: true, consumer: true)) == 96_000_000)
  }

  // MARK: Health

  @Test("a side's readiness is passed on") func readinessIsPassedOn() {
    #expect(HealthCheck.finding(port: 1, status: nil, body: "").level == .ok)
    #expect(HealthCheck.finding(port: 1, status: 200, body: "ok\n").key == "ready ok")
    let unready = HealthCheck.finding(port: 1, status: 503, body: "broker: away\noutput: full\n")
    #expect(unready.key == "ready problem" && unready.text.hasSuffix("broker: away; output: full"))
    #expect(HealthCheck.finding(port: 1, status: 404, body: "").level == .note)
  }
}
