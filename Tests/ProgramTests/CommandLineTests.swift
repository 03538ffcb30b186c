import Glibc
import TestSupport
import Testing

@testable import Configuration

/// The command line: what people type and read.
@Suite(.ownThread) struct CommandLineTests {
  let folder = TestFolder()

  private func run(_ arguments: [String], _ environment: [String: String] = [:]) throws -> (Int32?, String) {
    let program = try Program(arguments, in: folder, environment: environment)
    let code = program.exitCode()
    return (code, program.output)
  }

  @Test("--help names every variable with its default") func helpNamesVariablesAndDefaults() throws {
    let (code, text) = try run(["--help"])
    #expect(code == 0)
    for variable in Variable.groups.flatMap(\.variables) {
      #expect(text.contains("  \(variable.name)=\(variable.defaultValue)\n"), "\(variable.name)")
    }
    for command in ["producer", "consumer", "demo", "verify"] { #expect(text.contains("\n\(command) ")) }
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 120 })
    #expect(try run(["help"]) == (0, text))
    #expect(try run(["producer", "--help"]) == (0, text))
  }

  @Test("--version prints one line") func versionIsOneLine() throws {
    let (code, text) = try run(["--version"])
    #expect(code == 0)
    #expect(text.hasPrefix("image-pipeline ") && text.hasSuffix(")\n") && text.contains("librdkafka"))
  }

  @Test(
    "a wrong command line prints the error and the usage",
    arguments: [
      ([], "no command"), (["bake"], "no command bake"), (["producer", "--twice"], "producer has no option --twice"),
      (["consumer", "--once"], "consumer has no option --once"), (["consumer", "--count"], "--count needs a value"),
      (["consumer", "--count", "many"], "--count many"), (["consumer", "--count=1.5"], "--count 1.5"),
      (["producer", "--once=yes"], "--once takes no value"), (["producer", "extra"], "no option extra"),
      (["receipts"], "receipts needs --resend"),
    ])
  func wrongCommandLinePrintsUsage(arguments: [String], named: String) throws {
    let (code, text) = try run(arguments)
    #expect(code == 2, "\(text)")
    #expect(text.split(separator: "\n").first?.contains(named) == true, "\(text)")
    #expect(text.contains("usage: image-pipeline producer"), "\(text)")
  }

  @Test("all wrong environment variables are reported in one run") func allWrongVariablesAreReported() throws {
    let (code, text) = try run(
      ["producer", "--once"],
      [
        "SETTLE_MS": "soon", "AFTER_SENT": "burn", "TOPIC": "a b", "KAFKA_LINGER_MS": "-7",
        "KAFKA_ENABLE_AUTO_COMMIT": "true", "KAFKA_ENABLE_AUTO_OFFSET_STORE": "TRUE",
      ])
    #expect(code == 2, "\(text)")
    for said in [
      ["SETTLE_MS=soon", "3600000"], ["AFTER_SENT=burn", "keep, move, delete"], ["TOPIC=a b", "249"],
      ["KAFKA_LINGER_MS=-7"], ["KAFKA_ENABLE_AUTO_COMMIT=true"], ["KAFKA_ENABLE_AUTO_OFFSET_STORE=TRUE"],
    ] {
      let line = text.split(separator: "\n").first { $0.hasPrefix("image-pipeline: \(said[0]) ") }
      #expect(line != nil && said.allSatisfy { line!.contains($0) }, "\(said) in \(text)")
    }
  }

  @Test("KAFKA_ variables of other tools cause only a warning") func otherToolsVariablesOnlyWarn() throws {
    let broker = try Broker()
    try folder.write("images/a.jpg", [1])
    let (code, text) = try run(
      ["producer", "--once"],
      broker.environment([
        "KAFKA_PORT": "tcp://10.0.0.1:9092", "KAFKA_OPTS": "-Xmx1g", "KAFKA_ENABLE_AUTO_COMMIT": "false",
      ]))
    #expect(code == 0, "\(text)")
    #expect(text.log.hasEvent("setting_questionable", naming: "KAFKA_PORT"), "\(text)")
    #expect(text.log.hasEvent("setting_questionable", naming: "KAFKA_OPTS"), "\(text)")
    #expect(!text.contains("AUTO_COMMIT"), "\(text)")
  }

  @Test("a JSON log has one object per line") func jsonLogHasOneObjectPerLine() throws {
    let broker = try Broker()
    try folder.write("images/line\nend \"quoted\" \u{1}.jpg", [1])
    try folder.makeLink("images/circle.jpg", to: "circle.jpg")
    for arguments in [["producer", "--once"], ["consumer", "--until-idle", "0.1"]] {
      let environment = broker.environment(["LOG_FORMAT": "json", "LOG_LEVEL": "trace", "KAFKA_PORT": "x"])
      let (_, text) = try run(arguments, environment)
      let lines = text.split(separator: "\n")
      #expect(lines.count > 3)
      for line in lines {
        let members = JSONLine(line)?.members ?? [:]
        #expect(Set(["time", "level", "component", "event", "message"]).isSubset(of: members.keys), "\(line)")
      }
    }
  }

  @Test("LOG_LEVEL decides which lines are logged") func logLevelFilters() throws {
    let broker = try Broker()
    try folder.write("images/a.jpg", [1])
    let (_, warnings) = try run(
      ["producer", "--once"], broker.environment(["LOG_LEVEL": "warning", "KAFKA_OPTS": "x"]))
    #expect(warnings.split(separator: "\n").count == 1 && warnings.contains("KAFKA_OPTS"), "\(warnings)")
    let (_, all) = try run(["producer", "--once", "--resend"], broker.environment(["LOG_LEVEL": "debug"]))
    #expect(all.log.hasEvent("image_sent", ["image": "a.jpg"]), "\(all)")
    let (_, errors) = try run(["producer", "--once"], broker.environment(["LOG_LEVEL": "error", "KAFKA_OPTS": "x"]))
    #expect(errors.isEmpty, "\(errors)")
  }

  @Test("progress is logged if there is no terminal") func progressIsLoggedWithoutTerminal() throws {
    let broker = try Broker()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: broker.environment(["PROGRESS_SECONDS": "1"]))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.hasEvent("progress", ["images": "1", "bytes": "1"]) }, "\(producer.output)")
    try folder.write("images/b.jpg", [2, 3])
    #expect(eventually { producer.hasEvent("progress", ["images": "2", "bytes": "3"]) }, "\(producer.output)")
    #expect(!producer.output.contains("\u{1B}["), "no control sequences in a file")
    #expect(producer.terminate() == 0)
    let silent = try Program(
      ["producer", "--once", "--resend"], in: folder, environment: broker.environment(["PROGRESS_SECONDS": "0"]))
    #expect(silent.exitCode() == 0)
    #expect(silent.sent == 2 && !silent.hasEvent("progress"), "\(silent.output)")
  }

  static let hasScript = access("/usr/bin/script", X_OK) == 0

  @Test(
    "a terminal shows one live progress line",
    .enabled(if: hasScript, "script of util-linux, which lends a terminal, is not here"))
  func terminalShowsOneLiveLine() throws {
    let broker = try Broker()
    for number in 0..<20 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
    // SETTLE_MS keeps it busy for a few redraws.
    let environment = broker.environment(["TERM": "xterm", "SETTLE_MS": "1000"])
    let program = try Program(
      ["-qec", "\(Program.path) producer --once", "/dev/null"], in: folder, environment: environment,
      executable: "/usr/bin/script")
    #expect(program.exitCode() == 0, "\(program.output)")
    let redrawn = program.output.split(separator: "\r").filter { $0.hasPrefix("\u{1B}[2Ksent 0 images, 0 B, 0 B/s") }
    #expect(!redrawn.isEmpty, "\(program.output.debugDescription)")
    #expect(program.output.contains(" event=producer_finished images=20 bytes=20 "), "\(program.output)")
    #expect(program.output.contains("\r\u{1B}[2K"), "erased at the end")
  }

  @Test("verify names missing, altered, duplicated and extra images") func verifyNamesEveryDifference() throws {
    for (name, bytes) in [("a.jpg", [1]), ("b.jpg", [2]), ("cat/c.jpg", [3]), ("d.jpg", [4])] as [(String, [UInt8])] {
      try folder.write("images/" + name, bytes)
    }
    let demo = try run(["demo", "--input", "images"])
    #expect(demo.0 == 0, "\(demo.1)")
    let clean = try run(["verify"])
    #expect(clean.0 == 0, "\(clean.1)")
    #expect(clean.1.numbers(in: "verified:") == [4, 4], "\(clean.1)")
    let counts = #"{"verified":4,"bytes":4,"missing":0,"altered":0,"duplicated":0,"extra":0}"# + "\n"
    #expect(try run(["verify", "--json"]) == (0, counts))

    #expect(unlink(folder.path + "/processed_images/a.jpg") == 0)
    try folder.write("processed_images/b.jpg", [9])
    try folder.write("processed_images/extra.jpg", [5])
    let csv = folder.text("processed_image_data.csv")
    let row = try #require(csv.split(separator: "\n").first { $0.contains("cat/c.jpg") })
    try folder.write("processed_image_data.csv", Array((csv + row + "\n").utf8))
    let (code, text) = try run(["verify"])
    let (codeOfJSON, json) = try run(["verify", "--json"])
    #expect(code == 1 && codeOfJSON == 1, "\(text)\(json)")
    let (lines, objects) = (text.split(separator: "\n"), JSONLine.all(in: json))
    try #require(lines.count == 5 && objects.count == 5, "\(text)\(json)")
    let faults = [("missing", "a.jpg"), ("altered", "b.jpg"), ("duplicated", "cat/c.jpg"), ("extra", "extra.jpg")]
    for (fault, name) in faults {
      #expect(lines.contains { $0.hasPrefix("\(fault)  \(name): ") }, "\(fault) in \(text)")
      #expect(objects.contains { $0.has(["finding": fault, "name": name]) }, "\(fault) in \(json)")
      #expect(objects[4].number(fault) == 1, "\(json)")
    }
    #expect(objects[4].number("verified") == 2, "\(json)")
    #expect(text.numbers(in: "NOT verified:") == [1, 1, 1, 1, 2], "\(text)")
  }

  @Test("a side without a broker logs that it waits, and exits when stopped") func missingBrokerIsAwaitedAndLogged()
    throws
  {
    try folder.write("images/a.jpg", [1])
    for arguments in [["producer"], ["producer", "--once"], ["consumer"]] {
      // Port 1: nobody listens there.
      let program = try Program(arguments, in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
      #expect(eventually { program.hasEvent("broker_unreachable", naming: "127.0.0.1:1") }, "\(program.output)")
      let start = ContinuousClock.now
      program.signal(SIGTERM)
      // A run that was to send everything and did not has failed.
      #expect(program.exitCode() == (arguments.contains("--once") ? 1 : 0), "\(program.output)")
      #expect(ContinuousClock.now - start < .milliseconds(9_500))
    }
  }
}
