import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import SQLite

/// Group members that do not store into the output. Needs a real broker: the embedded one does not list members.
@Suite(.ownThread, .enabled(if: Broker.realServers != nil, "KAFKA_TEST_BOOTSTRAP_SERVERS names no Kafka"))
struct SharedGroupTests {
  private let folder = TestFolder()
  private let other = TestFolder()

  private func consumer(_ broker: Broker, in folder: TestFolder, port: Int = 0) throws -> Program {
    try Program(
      ["consumer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
  }

  private func strangers(_ port: Int) -> Double? { StatusPage(port: port).value("image_pipeline_group_strangers") }

  private func outputID(_ folder: TestFolder) throws -> String {
    let path = folder.path + "/\(TestFolder.output)/.image-pipeline/catalog.sqlite"
    let id = try Database(path: path, busyTimeout: .seconds(1))
      .prepare("SELECT value FROM facts WHERE name = 'catalog'").first { $0.text(0) }
    return try #require(id)
  }

  /// Whether doctor reports a member of the group as a stranger.
  private func doctorNames(_ member: String, _ broker: Broker) throws -> Bool {
    let doctor = try Program(["doctor", "--consumer", "--json"], in: folder, environment: broker.environment())
    return doctor.exitCode() == 1
      && doctor.results.contains { $0["check"] == "group_strangers" && $0["text"]?.contains(member) == true }
  }

  /// Another kind of client, until the condition holds.
  private func join(
    _ broker: Broker, _ more: [String: String] = [:], until isSeen: () throws -> Bool
  ) throws {
    var settings = broker.settings()
    settings.set("group.id", broker.group)
    settings.set("client.id", "old-script")
    for (name, value) in more { settings.set(name, value) }
    let client = try KafkaConsumer(settings, topic: broker.topic)
    defer { client.unsubscribeAndClose() }
    try client.subscribe()
    #expect(
      eventually(within: .seconds(60)) {
        _ = client.poll(maximum: 100, timeout: .milliseconds(10))
        return try isSeen()
      })
  }

  /// Whether a consumer has named a member of the group as a stranger.
  private func isNamed(_ member: String, by consumer: Program) -> Bool {
    consumer.events("group_shared").contains { $0.fields["members"]?.contains(member) == true }
  }

  @Test("two outputs in one group are reported by both consumers and by doctor")
  func twoOutputsNameEachOther() throws {
    let broker = try Broker.preferred(partitions: 4)
    let port = try StatusPage.freePort()
    let first = try consumer(broker, in: folder, port: port)
    #expect(eventually { strangers(port) == 0 && first.assignments > 0 }, "\(first.output)")
    #expect(!first.hasEvent("group_shared"))
    let second = try consumer(broker, in: other)
    #expect(eventually(within: .seconds(60)) { strangers(port) == 1 }, "\(first.output)")
    #expect(
      eventually { first.hasEvent("group_shared") && second.hasEvent("group_shared") },
      "\(first.output) \(second.output)")
    let ids = (own: try outputID(folder), other: try outputID(other))
    #expect(isNamed(ids.other, by: first), "\(first.output)")
    #expect(isNamed(ids.own, by: second), "\(second.output)")
    #expect(try doctorNames(ids.other, broker))
    #expect(second.terminate() == 0)
    // The end of its session causes a new assignment.
    #expect(eventually(within: .seconds(60)) { strangers(port) == 0 }, "\(first.output)")
    #expect(first.hasEvent("group_exclusive"), "\(first.output)")
    #expect(first.terminate() == 0)
  }

  @Test("another client in the group is named with its id")
  func foreignClientIsNamed() throws {
    let broker = try Broker.preferred(partitions: 4)
    let consumer = try consumer(broker, in: folder)
    #expect(eventually { consumer.assignments > 0 }, "\(consumer.output)")
    try join(broker) {
      try isNamed("old-script", by: consumer) && doctorNames("old-script", broker)
    }
    #expect(consumer.hasEvent("group_shared"), "\(consumer.output)")
    #expect(consumer.terminate() == 0)
  }

  @Test("a member with the output's id but none of its slots is reported as a copy")
  func copyWithMoreConsumersIsFound() throws {
    let broker = try Broker.preferred(partitions: 4)
    let consumer = try consumer(broker, in: folder)
    #expect(eventually { consumer.assignments > 0 }, "\(consumer.output)")
    try join(broker, ["group.instance.id": "\(try outputID(folder))-7-4"]) {
      isNamed("copy", by: consumer)
    }
    #expect(consumer.terminate() == 0)
  }

  @Test("consumers of one output are never strangers, whichever ends or returns")
  func ownConsumersAreNoStrangers() throws {
    let broker = try Broker.preferred(partitions: 4)
    let first = try consumer(broker, in: folder)
    #expect(eventually { first.assignments > 0 }, "\(first.output)")
    let second = try consumer(broker, in: folder)
    #expect(eventually { second.assignments > 0 }, "\(second.output)")
    second.signal(SIGKILL)
    #expect(second.exitCode() == 128 + SIGKILL)
    let before = first.assignments
    // It is not seen after the end of its session.
    #expect(eventually(within: .seconds(60)) { first.assignments > before }, "\(first.output)")
    let third = try consumer(broker, in: folder)
    #expect(eventually { third.assignments > 0 }, "\(third.output)")
    for program in [first, third] { #expect(program.terminate() == 0) }
    for program in [first, second, third] {
      #expect(!program.hasEvent("group_shared"), "\(program.output)")
    }
  }

  @Test("a copied output next to its original is reported with its host")
  func copyNextToOriginalIsFound() throws {
    let broker = try Broker.preferred(partitions: 2)
    try broker.send([.image("a.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    for name in [TestFolder.output, TestFolder.csv] {
      let copy = try Program(
        ["-a", folder.path + "/" + name, other.path + "/" + name], in: folder, executable: "/bin/cp")
      try #require(copy.exitCode() == 0, "\(copy.output)")
    }
    let programs = try [consumer(broker, in: folder), consumer(broker, in: other)]
    let id = try outputID(folder)
    func isNamed(_ program: Program) -> Bool {
      program.events("output_copied", ["output_id": id]).contains { $0.fields["host"] != "unknown" }
    }
    #expect(eventually(within: .seconds(60)) { programs.contains(where: isNamed) }, "\(programs.map(\.output))")
    for program in programs { #expect(program.terminate() == 0, "\(program.output)") }
    // The advised fix works.
    let apart = try Program(
      ["consumer"], in: other, environment: broker.environment(["CONSUMER_GROUP": broker.group + "-copy"]))
    let original = try consumer(broker, in: folder)
    try broker.send([.image("b.jpg", [2])])
    #expect(eventually { folder.rowNames == ["a.jpg", "b.jpg"] && other.rowNames == folder.rowNames })
    for program in [apart, original] {
      #expect(program.terminate() == 0)
      #expect(!program.hasEvent("output_copied"), "\(program.output)")
    }
  }
}
