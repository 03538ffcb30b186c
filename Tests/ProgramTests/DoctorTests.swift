import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Telemetry

/// `image-pipeline doctor` finds problems with their fixes, next to running sides, and changes nothing.
@Suite(.ownThread) struct DoctorTests {
  let folder = TestFolder()

  struct Outcome {
    let code: Int32?
    let output: String

    init(_ program: Program, within bound: Duration = .seconds(60)) {
      code = program.exitCode(within: bound)
      output = program.output
    }

    private var findings: [JSONLine] { output.results.filter { $0["check"] != nil } }
    /// The number of findings of each level, and whether it was stopped before the end.
    var summary: JSONLine? { output.results.last.flatMap { $0["check"] == nil ? $0 : nil } }
    var areas: Set<String> { Set(findings.compactMap { $0["area"] }) }
    var checks: Set<String> { Set(findings.compactMap { $0["check"] }) }
    /// The checks that found a problem.
    var problems: [String] { findings.filter { $0["finding"] == "problem" }.compactMap { $0["check"] } }

    /// Whether a check has a finding of this level.
    /// - Parameter words: names and numbers that a person needs, in the finding or in its fix; not a part of a sentence.
    func has(_ level: Finding.Level, _ check: String, in area: Finding.Area? = nil, naming words: String...) -> Bool {
      findings.contains { finding in
        finding.has(
          ["check": check, "finding": level.rawValue].merging(area.map { ["area": $0.rawValue] } ?? [:]) { $1 })
          && words.allSatisfy { word in finding.members.values.contains { $0.contains(word) } }
      }
    }
  }

  func doctor(_ broker: Broker, _ arguments: [String] = [], _ more: [String: String] = [:]) throws -> Outcome {
    Outcome(try Program(["doctor", "--json"] + arguments, in: folder, environment: broker.environment(more)))
  }

  func unprivileged(_ broker: Broker, _ arguments: [String] = []) throws -> Outcome {
    Outcome(try Program.unprivileged(["doctor", "--json"] + arguments, in: folder, environment: broker.environment()))
  }

  /// Everything in the test's folder except program outputs, with inode and times.
  private func everything() throws -> [String: FileStatus] {
    var found: [String: FileStatus] = [:]
    let walker = try FolderWalker(root: folder.path) { _ in true }
    while let entry = walker.next() {
      let name = try entry.get().string ?? ""
      // SQLite's shared memory records its readers.
      guard !name.hasSuffix(".log"), !name.hasSuffix("-shm"),
        let status = try FileStatus.of(folder.path + "/" + name, followingLinks: false)
      else { continue }
      // Hidden files came and went in folders. SQLite under root sets a log's owner again.
      let isFolder = status.kind == .folder
      found[name] = FileStatus(
        kind: status.kind, size: isFolder ? 0 : status.size, modified: isFolder ? 0 : status.modified,
        changed: isFolder || name.hasSuffix("-wal") ? 0 : status.changed, inode: status.inode, device: status.device)
    }
    return found
  }

  // MARK: As it should be

  @Test("a healthy pipeline has no problem, and doctor changes nothing") func healthyPipelineHasNoProblem() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = sampleImages(10)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let environment = broker.environment(["PROGRESS_SECONDS": "0"])
    let producer = try Program(["producer"], in: folder, environment: environment)
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { folder.rows.count == images.count }, "\(consumer.output)")
    // By now they have finished what follows storing: a commit, a metadata request.
    #expect(eventually { try doctor(broker).has(.ok, "everything_stored") })
    // The two sides sometimes write something themselves. A change by doctor would show in every attempt.
    var outcome = try doctor(broker)
    var changed: [String] = []
    let isLeftAlone = eventually {
      let before = try everything()
      outcome = try doctor(broker)
      let after = try everything()
      changed = Set(before.keys).union(after.keys).filter { after[$0] != before[$0] }
      return changed.isEmpty
    }
    #expect(isLeftAlone, "\(changed)")
    #expect(outcome.code == 0 && outcome.problems == [], "\(outcome.output)")
    #expect(outcome.summary?.has(["problems": "0", "stopped": "false"]) == true, "\(outcome.output)")
    let libraries = ["librdkafka ", "SQLite ", "OpenSSL ", "libevent ", "Linux "]
    for library in libraries { #expect(outcome.has(.ok, "versions", in: .versions, naming: library)) }
    for (area, check, word) in [
      (Finding.Area.kafka, "broker_reachable", broker.servers), (.kafka, "broker_advertised", broker.servers),
      (.topic, "topic_partitions", "\(broker.topic): 2 "), (.input, "images", "10 images"),
      (.input, "file_events", " ms"), (.output, "database", "version 3, 10 images"), (.output, "users", "1 consumer"),
      (.output, "csv_file", TestFolder.csv), (.state, "database", "10 files"), (.state, "users", "1 producer"),
      (.sizes, "segment_size", "SEGMENT_BYTES"),
    ] { #expect(outcome.has(.ok, check, in: area, naming: word), "\(check) in \(outcome.output)") }
    // The two sides did not notice.
    #expect(
      consumer.events("partitions_assigned").count == 1, "\(consumer.output)")
    try folder.write("images/later.jpg", [1])
    #expect(eventually { folder.rows.count == images.count + 1 })
    #expect(producer.terminate() == 0 && consumer.terminate() == 0)
  }

  @Test("a pipeline that has never run has no problem") func freshStartHasNoProblem() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let outcome = try doctor(broker)
    #expect(outcome.code == 0, "\(outcome.output)")
    #expect(outcome.has(.ok, "folder_writable", in: .output, naming: "processed_images"), "\(outcome.output)")
    #expect(try Folder.open(folder.path).names().filter { !$0.hasSuffix(".log") } == ["images"])
  }

  @Test("each side can be checked alone") func sidesAreCheckedSeparately() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let producer = try doctor(broker, ["--producer"])
    #expect(producer.areas.isSuperset(of: ["input", "state"]) && !producer.areas.contains("output"))
    #expect(!producer.checks.contains("group_members"), "\(producer.output)")
    let consumer = try doctor(broker, ["--consumer"])
    #expect(consumer.areas.contains("output") && consumer.areas.isDisjoint(with: ["input", "state"]))
    #expect(consumer.checks.isSuperset(of: ["everything_stored", "group_members"]), "\(consumer.output)")
    #expect(try doctor(broker, ["--everything"]).code == 2)
    let wrong = try doctor(broker, [], ["SETTLE_MS": "soon"])
    #expect(wrong.code == 2 && wrong.output.contains("SETTLE_MS=soon"), "\(wrong.output)")
  }

  @Test("JSON output has one finding per line, with --json or LOG_FORMAT=json", arguments: [true, false])
  func jsonHasOneFindingPerLine(isOption: Bool) throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let outcome = Outcome(
      try Program(
        ["doctor"] + (isOption ? ["--json"] : []), in: folder,
        environment: broker.environment(["LOG_FORMAT": isOption ? "text" : "json", "KAFKA_OPTS": "x"])))
    let results = outcome.output.results
    #expect(results.count == outcome.output.split(separator: "\n").count, "\(outcome.output)")
    #expect(results.dropLast().allSatisfy { Set(["area", "check", "finding", "text"]).isSubset(of: $0.members.keys) })
    #expect(outcome.has(.note, "setting_questionable", in: .versions, naming: "KAFKA_OPTS"), "\(outcome.output)")
    #expect(outcome.summary?.has(["problems": "0", "stopped": "false"]) == true, "\(outcome.output)")
  }

  // MARK: Kafka

  @Test("a missing broker is reported, and the other checks still run") func missingBrokerIsReported() throws {
    try folder.write("images/a.jpg", [1])
    let begun = ContinuousClock.now
    // Port 1: nobody listens there.
    let program = try Program(
      ["doctor", "--json"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    let outcome = Outcome(program)
    #expect(ContinuousClock.now - begun < .seconds(20) * Sanitizer.slowness)
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(outcome.has(.problem, "broker_reachable", naming: "127.0.0.1:1", "connection refused"))
    #expect(outcome.has(.note, "checks_skipped"))
    #expect(outcome.has(.ok, "images", naming: "1 image, 1 B"), "\(outcome.output)")
    #expect(outcome.problems.count == 1 && outcome.summary?.number("problems") == 1, "\(outcome.output)")
  }

  @Test("another service at the broker's port is recognized") func otherServiceAtPortIsRecognized() throws {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { server.stop() }
    try folder.write("images/a.jpg", [1])
    let program = try Program(
      ["doctor", "--json"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:\(server.port)"])
    let outcome = Outcome(program)
    #expect(outcome.has(.problem, "broker_protocol", naming: "KAFKA_SECURITY_PROTOCOL"))
    #expect(outcome.code == 1, "\(outcome.output)")
  }

  @Test("contradicting settings are a problem") func contradictingSettingsAreAProblem() throws {
    let broker = try Broker.preferred()
    let outcome = try doctor(broker, [], ["KAFKA_MAX_IN_FLIGHT": "6"])
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(outcome.has(.problem, "client_settings", naming: "max.in.flight"), "\(outcome.output)")
  }

  @Test("the backlog and the dead letters are counted") func backlogAndLettersAreCounted() throws {
    let broker = try Broker.preferred()
    let image: [UInt8] = Array(repeating: 7, count: 3_000)
    try broker.send([.image("a.jpg", image), .text("no image")])
    let waiting = try doctor(broker, ["--consumer"])
    #expect(waiting.has(.ok, "backlog", naming: "2 messages", " kB", " s old"), "\(waiting.output)")
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    let stored = try doctor(broker, ["--consumer"])
    #expect(stored.has(.ok, "everything_stored"), "\(stored.output)")
    #expect(
      stored.has(.note, "dead_letters", naming: "1 dead letter", "image-pipeline dead-letters"), "\(stored.output)")
    #expect(stored.code == 0)
  }

  @Test(
    "unsuitable topic settings are found, with the commands that fix them",
    .enabled(if: Broker.realServers != nil, "needs a real Kafka: KAFKA_TEST_BOOTSTRAP_SERVERS"))
  func badTopicSettingsHaveCommands() throws {
    let broker = try Broker(real: Broker.realServers!)
    let topic = broker.topic + "-small"
    let small = Broker(servers: broker.servers, topic: topic)
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", broker.servers)
    let client = try KafkaProducer(settings) { _ in }
    defer { client.close() }
    let its = ["max.message.bytes": "500000", "cleanup.policy": "compact", "retention.bytes": "1000000"]
    #expect(try client.createTopic(topic, partitions: 1, settings: its, timeout: .seconds(30)))
    try folder.write("images/a.jpg", Array(repeating: 1, count: 800_000))
    let outcome = try doctor(small)
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(
      outcome.has(
        .problem, "topic_message_size", naming: "max.message.bytes of \(topic)", "500,000", "1,000,000",
        "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config max.message.bytes=1000000",
        "SEGMENT_BYTES=345000 KAFKA_BATCH_SIZE=500000"), "\(outcome.output)")
    #expect(
      outcome.has(.problem, "cleanup_policy", naming: "cleanup.policy=compact", "--add-config cleanup.policy=delete"),
      "\(outcome.output)")
    #expect(outcome.has(.note, "largest_image", naming: "a.jpg", "retention.bytes"), "\(outcome.output)")
    #expect(outcome.has(.ok, "broker_request_size", naming: "broker 1"), "\(outcome.output)")
    #expect(outcome.problems.count == 2, "\(outcome.output)")
    // The producer's fix works.
    let cured = try doctor(small, ["--producer"], ["SEGMENT_BYTES": "345000", "KAFKA_BATCH_SIZE": "500000"])
    #expect(cured.has(.ok, "topic_message_size"), "\(cured.output)")
  }

  @Test(
    "messages that retention removed before they were stored are a problem",
    .enabled(if: Broker.realServers != nil, "needs a real Kafka: KAFKA_TEST_BOOTSTRAP_SERVERS"))
  func messagesLostToRetentionAreFound() throws {
    let broker = try Broker(real: Broker.realServers!)
    try broker.send((0..<2).map { .image("\($0).jpg", [UInt8($0)]) })
    _ = try Program.storeAll(in: folder, broker)
    try broker.send((2..<7).map { .image("\($0).jpg", [UInt8($0)]) })
    let client = try KafkaProducer(broker.settings()) { _ in }
    defer { client.close() }
    try client.deleteRecords(of: broker.topic, partition: 0, before: 4, timeout: .seconds(30))
    let outcome = try doctor(broker, ["--consumer"])
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(
      outcome.has(.problem, "messages_lost", naming: "2 messages", "offsets 2 to 3", "image-pipeline verify --resend"),
      "\(outcome.output)")
    #expect(outcome.has(.ok, "backlog", naming: "3 messages"), "\(outcome.output)")
  }

  // MARK: Events and signals

  @Test("an event of a file created outside the container is awaited") func fileFromOutsideIsAwaited() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let environment = broker.environment()
    let program = try Program(
      ["doctor", "--json", "--producer", "--outside-canary"], in: folder, environment: environment)
    // Repeatedly, as the script does.
    let isOver = eventually {
      try folder.write("images/.image-pipeline-canary-outside", [])
      unlink(folder.path + "/images/.image-pipeline-canary-outside")
      return program.hasEnded
    }
    #expect(isOver)
    let outcome = Outcome(program)
    #expect(outcome.code == 0 && outcome.has(.ok, "file_events_outside"), "\(outcome.output)")
    #expect(try folder.files("images") == ["a.jpg"])
  }

  @Test("doctor exits when told to and leaves nothing behind") func stoppedDoctorLeavesNothing() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let program = try Program(
      ["doctor", "--json", "--outside-canary"], in: folder,
      environment: broker.environment(["STATE_DIR": "images/.state"]))
    // It waits 10 s for a file that nobody creates.
    #expect(eventually { program.results.contains { $0["check"] == "folder_watches" } }, "\(program.output)")
    let begun = ContinuousClock.now
    program.signal(SIGINT)
    let outcome = Outcome(program)
    #expect(ContinuousClock.now - begun < .seconds(6) * Sanitizer.slowness)
    #expect(outcome.code == 1 && outcome.summary?["stopped"] == "true", "\(outcome.output)")
    #expect(!outcome.areas.contains("output"), "\(outcome.output)")
    #expect(try folder.files("images") == ["a.jpg"])
  }

  @Test("a side that is not ready gives its reason") func unreadySideGivesReason() throws {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { request in
      request.path == "/readyz" ? HTTPResponse(status: 503, body: "broker: away\n") : nil
    }
    defer { server.stop() }
    let broker = try Broker.preferred()
    let outcome = try doctor(broker, ["--consumer"], ["HTTP_PORT": "\(server.port)"])
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(outcome.has(.problem, "ready", in: .health, naming: "\(server.port)", "broker: away"), "\(outcome.output)")
  }
}
