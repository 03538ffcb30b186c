import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// `audit` next to programs and states that look like damage.
extension AuditTests {
  @Test(
    "a consumer that was killed while it stored leaves no finding",
    arguments: [
      FaultPoint.temporariesSynced, .imageRenamed, .foldersSynced, .rowsSynced, .positionsRecorded,
      .transactionCommitted,
    ])
  func killedConsumerIsClean(point: FaultPoint) throws {
    try roundTrip()
    try folder.write("images/new.jpg", "new")
    // Another version in the place of a stored one, with the same size.
    try folder.write("images/" + names[0], images[names[0]]!.map { $0 ^ 1 })
    try send()
    let consumer = try Program(["consumer"], in: folder, environment: environment(["FAULT_POINT": point.rawValue]))
    #expect(consumer.exitCode() == 128 + SIGKILL, "\(consumer.output)")
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["on_the_way"] == (point == .transactionCommitted ? 0 : 2), "\(report.output)")
    try store()
    #expect(try audit().findings == [])
  }

  @Test(
    "offsets that a tool has committed are no finding",
    .enabled("needs a real broker") { Broker.realServers != nil })
  func resetOffsetsAreNoFinding() throws {
    try roundTrip()
    var settings = broker.settings()
    settings.set("group.id", broker.group)
    let tool = try KafkaConsumer(settings, topic: broker.topic)
    defer { tool.unsubscribeAndClose() }
    // Brokers refuse it while the group has members, and a consumer's membership outlives it for a while.
    let isReset = eventually {
      try tool.commitAndWait([0: 1_000], timeout: .seconds(30))
      return true
    }
    #expect(isReset)
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.partitions.contains { $0["committed"] == 1_000 }, "\(report.output)")
  }

  @Test("what an older program has sent is not counted as unchanged") func olderLedgerIsRead() throws {
    try roundTrip()
    try change(Self.ledger, "UPDATE files SET partition = -1, offset = -1, state = 0")
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["unchanged"] == 0 && report.totals["stored"] == 20, "\(report.output)")
  }

  @Test("images whose catalog and rows were lost and rebuilt are stored") func rebuiltOutputIsClean() throws {
    try roundTrip()
    for file in [Self.catalog, Self.catalog + "-wal", Self.catalog + "-shm", TestFolder.csv] { try folder.remove(file) }
    let repair = try Program(["repair"], in: folder, environment: environment())
    #expect(repair.exitCode() == 0, "\(repair.output)")
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    #expect(report.totals["stored"] == 20 && report.totals["unchanged"] == 0, "\(report.output)")
  }

  @Test("an output that lost its catalog is refused") func lostCatalogIsRefused() throws {
    try roundTrip()
    for suffix in ["", "-wal", "-shm"] { try folder.remove(Self.catalog + suffix) }
    let program = try Program(["audit"], in: folder, environment: environment())
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(program.hasEvent("program_failed", ["error": "CatalogError.lost"]), "\(program.output)")
  }

  @Test("a ledger and a catalog that are being created count as none") func emptyDatabasesAreNone() throws {
    for file in [Self.ledger, Self.catalog] { try folder.write(file, "") }
    let program = try Program(["audit"], in: folder, environment: environment())
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(program.hasEvent("program_failed", ["error": "NothingToCompare"]), "\(program.output)")
  }

  @Test("a file whose name cannot be sent is named") func unsendableNameIsNamed() throws {
    try roundTrip()
    // Byte 0xFF is never part of UTF-8.
    let bad = Array((folder.path + "/images/a").utf8) + [0xFF] + Array(".jpg".utf8) + [0]
    let file = bad.withUnsafeBytes {
      open($0.baseAddress!.assumingMemoryBound(to: CChar.self), O_CREAT | O_WRONLY, 0o644)
    }
    try #require(file >= 0)
    close(file)
    #expect(try audit().findings == ["not_sent a\u{FFFD}.jpg"])
  }

  @Test(
    "a topic that does not exist is reported as not compared",
    .enabled("the embedded broker creates it") { Broker.realServers != nil })
  func missingTopicIsReported() throws {
    try roundTrip()
    let program = try Program(["audit"], in: folder, environment: environment(["TOPIC": Broker.newTopic()]))
    #expect(program.exitCode() == 0 && program.output.contains("not compared: the topic "), "\(program.output)")
  }
}
