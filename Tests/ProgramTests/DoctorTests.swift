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
    /// Problems and notes, each followed by its fix or advice.
    let findings: [String]

    init(_ program: Program, within bound: Duration = .seconds(60)) {
      code = program.exitCode(within: bound)
      output = program.output
      let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
      findings = zip(lines, lines.dropFirst() + [""]).compactMap { line, next in
        line.hasPrefix("  PROBLEM  ") || line.hasPrefix("  note     ") ? "\(line) | \(next)" : nil
      }
    }

    var problems: [String] { findings.filter { $0.hasPrefix("  PROBLEM") } }
    func has(_ parts: String...) -> Bool { findings.contains { finding in parts.allSatisfy { finding.contains($0) } } }
  }

  func doctor(_ broker: Broker, _ arguments: [String] = [], _ more: [String: String] = [:]) throws -> Outcome {
    Outcome(try Program(["doctor"] + arguments, in: folder, environment: broker.environment(more)))
  }

  func unprivileged(_ broker: Broker, _ arguments: [String] = []) throws -> Outcome {
    Outcome(try Program.unprivileged(["doctor"] + arguments, in: folder, environment: broker.environment()))
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
    #expect(eventually { try doctor(broker).output.contains("all messages are stored") })
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
    for said in [
      "Versions\n  ok       image-pipeline ", ", librdkafka ", ", SQLite ", ", OpenSSL ", ", libevent ", ", Linux ",
      "\nKafka\n  ok       \(broker.servers) answers; cluster ", "which can be reached from here",
      "\(broker.topic): 2 partitions", "10 images, ", "a file created in it is reported at once (",
      "the catalog opens: version 2, 10 images", "1 consumer is using it", "writable, with our header",
      "the ledger opens: version", ", 10 files", "1 producer is using it",
      "\nSize limits\n  ok       SEGMENT_BYTES  ",
      "\nno problem, ",
    ] { #expect(outcome.output.contains(said), "\(said) in \(outcome.output)") }
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
    #expect(outcome.output.contains("processed_images does not exist: it will be created in ."), "\(outcome.output)")
    #expect(try Folder.open(folder.path).names().filter { !$0.hasSuffix(".log") } == ["images"])
  }

  @Test("each side can be checked alone") func sidesAreCheckedSeparately() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let producer = try doctor(broker, ["--producer"])
    #expect(producer.output.contains("\nInput\n") && producer.output.contains("\nState\n"))
    #expect(!producer.output.contains("\nOutput\n") && !producer.output.contains("group"), "\(producer.output)")
    let consumer = try doctor(broker, ["--consumer"])
    #expect(consumer.output.contains("\nOutput\n") && consumer.output.contains("all messages are stored"))
    #expect(!consumer.output.contains("\nInput\n") && !consumer.output.contains("\nState\n"), "\(consumer.output)")
    #expect(try doctor(broker, ["--everything"]).code == 2)
    let wrong = try doctor(broker, [], ["SETTLE_MS": "soon"])
    #expect(wrong.code == 2 && wrong.output.contains("SETTLE_MS=soon cannot be used"), "\(wrong.output)")
  }

  @Test("JSON output has one finding per line") func jsonHasOneFindingPerLine() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let lines = try doctor(broker, [], ["LOG_FORMAT": "json", "KAFKA_OPTS": "x"]).output.split(separator: "\n")
    #expect(lines.dropLast().allSatisfy { $0.hasPrefix("{\"area\":\"") && $0.hasSuffix("\"}") }, "\(lines)")
    #expect(lines.contains { $0.contains("\"finding\":\"note\",\"text\":\"KAFKA_OPTS is ignored") }, "\(lines)")
    #expect(
      lines.last?.hasPrefix("{\"ok\":") == true && lines.last?.hasSuffix("\"problems\":0,\"stopped\":false}") == true)
  }

  // MARK: Kafka

  @Test("a missing broker is reported, and the other checks still run") func missingBrokerIsReported() throws {
    try folder.write("images/a.jpg", [1])
    let begun = ContinuousClock.now
    // Port 1: nobody listens there.
    let program = try Program(["doctor"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    let outcome = Outcome(program)
    #expect(ContinuousClock.now - begun < .seconds(20) * Sanitizer.slowness)
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(outcome.has("127.0.0.1:1 cannot be reached: connection refused", "fix: start the broker"))
    #expect(outcome.has("skipped: topic"))
    #expect(outcome.output.contains("1 image, 1 B"), "\(outcome.output)")
    #expect(outcome.problems.count == 1 && outcome.output.contains("\n1 problem, "), "\(outcome.output)")
  }

  @Test("another service at the broker's port is recognized") func otherServiceAtPortIsRecognized() throws {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { server.stop() }
    try folder.write("images/a.jpg", [1])
    let program = try Program(
      ["doctor"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:\(server.port)"])
    let outcome = Outcome(program)
    #expect(outcome.has("accepts connections, but does not speak Kafka with this client", "KAFKA_SECURITY_PROTOCOL"))
    #expect(outcome.code == 1, "\(outcome.output)")
  }

  @Test("contradicting settings are a problem") func contradictingSettingsAreAProblem() throws {
    let broker = try Broker.preferred()
    let outcome = try doctor(broker, [], ["KAFKA_MAX_IN_FLIGHT": "6"])
    #expect(outcome.code == 1 && outcome.has("the client refuses its settings", "max.in.flight"), "\(outcome.output)")
  }

  @Test("the backlog and the dead letters are counted") func backlogAndLettersAreCounted() throws {
    let broker = try Broker.preferred()
    let image: [UInt8] = Array(repeating: 7, count: 3_000)
    try broker.send([.image("a.jpg", image), .text("no image")])
    let waiting = try doctor(broker, ["--consumer"])
    #expect(waiting.output.contains("not stored yet: 2 messages, about "), "\(waiting.output)")
    #expect(waiting.output.contains(", the oldest "), "\(waiting.output)")
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    let stored = try doctor(broker, ["--consumer"])
    #expect(stored.output.contains("all messages are stored"), "\(stored.output)")
    #expect(stored.has("dead letter", "image-pipeline dead-letters lists them"), "\(stored.output)")
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
        "max.message.bytes of \(topic)", "500,000  batches of up to 1,000,000 are refused",
        "fix: kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config max.message.bytes=1000000",
        "SEGMENT_BYTES=345000 KAFKA_BATCH_SIZE=500000"), "\(outcome.output)")
    #expect(outcome.has("cleanup.policy=compact", "--add-config cleanup.policy=delete"), "\(outcome.output)")
    #expect(outcome.has("a.jpg is sent in 2 messages", "retention.bytes"), "\(outcome.output)")
    #expect(outcome.output.contains("socket.request.max.bytes of broker 1"), "\(outcome.output)")
    #expect(outcome.problems.count == 2, "\(outcome.output)")
    // The producer's fix works.
    let cured = try doctor(small, ["--producer"], ["SEGMENT_BYTES": "345000", "KAFKA_BATCH_SIZE": "500000"])
    #expect(!cured.output.contains("are refused"), "\(cured.output)")
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
      outcome.has("2 messages, in partition 0 (offsets 2 to 3)", "image-pipeline verify --resend"), "\(outcome.output)")
    #expect(outcome.output.contains("not stored yet: 3 messages"), "\(outcome.output)")
  }

  // MARK: Events and signals

  @Test("an event of a file created outside the container is awaited") func fileFromOutsideIsAwaited() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let environment = broker.environment()
    let program = try Program(["doctor", "--producer", "--outside-canary"], in: folder, environment: environment)
    // Repeatedly, as the script does.
    let isOver = eventually {
      try folder.write("images/.image-pipeline-canary-outside", [])
      unlink(folder.path + "/images/.image-pipeline-canary-outside")
      return program.hasEnded
    }
    #expect(isOver)
    let outcome = Outcome(program)
    #expect(
      outcome.code == 0 && outcome.output.contains("a file created outside is reported here"), "\(outcome.output)")
    #expect(try folder.files("images") == ["a.jpg"])
  }

  @Test("doctor exits when told to and leaves nothing behind") func stoppedDoctorLeavesNothing() throws {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let program = try Program(
      ["doctor", "--outside-canary"], in: folder, environment: broker.environment(["STATE_DIR": "images/.state"]))
    // It waits 10 s for a file that nobody creates.
    #expect(eventually { program.output.contains("to be watched") }, "\(program.output)")
    let begun = ContinuousClock.now
    program.signal(SIGINT)
    let outcome = Outcome(program)
    #expect(ContinuousClock.now - begun < .seconds(6) * Sanitizer.slowness)
    #expect(outcome.code == 1 && outcome.output.contains("Stopped before the end: "), "\(outcome.output)")
    #expect(!outcome.output.contains("\nOutput\n"), "\(outcome.output)")
    #expect(try folder.files("images") == ["a.jpg"])
  }

  @Test("a side that is not ready gives its reason") func unreadySideGivesReason() throws {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { path in
      path == "/readyz" ? HTTPResponse(status: 503, body: "broker: away\n") : nil
    }
    defer { server.stop() }
    let broker = try Broker.preferred()
    let outcome = try doctor(broker, ["--consumer"], ["HTTP_PORT": "\(server.port)"])
    #expect(outcome.code == 1 && outcome.has("/readyz at port \(server.port): broker: away"), "\(outcome.output)")
  }
}
