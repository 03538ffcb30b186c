import Glibc
import TestSupport
import Testing

@testable import Platform

/// The program that judges the pipeline from outside in `make test-integration`: it must pass a sound round trip and
/// find every fault.
@Suite(.ownThread, .serialized) struct IntegrationTestTests {
  private let folder = TestFolder()
  private static let program = Program.built("integration-test")
  private static let top = TestFolder.output + "/at the top.jpg"

  private func run(_ part: String, _ environment: [String: String]) throws -> Program {
    try Program([part], in: folder, environment: environment, executable: Self.program)
  }

  private func check() throws -> (code: Int32?, output: String) {
    let program = try run("check", [:])
    return (program.exitCode(), program.output)
  }

  /// The embedded broker would lose some of these messages: too many, too fast.
  @Test(
    "integration-test passes a round trip and finds each kind of damage",
    .enabled(if: Broker.realServers != nil, "needs a real Kafka: KAFKA_TEST_BOOTSTRAP_SERVERS"))
  func damageIsFoundAfterRoundTrip() throws {
    let broker = try Broker(real: Broker.realServers!, partitions: 3)
    let environment = broker.environment(["TEST_PATIENCE": "60", "SETTLE_MS": "1000"])
    try folder.makeFolder("images")
    let services = try [
      Program(["producer"], in: folder, environment: environment),
      Program(["consumer"], in: folder, environment: environment),
    ]
    let carrying = try run("carry", environment)
    #expect(carrying.exitCode(within: .seconds(180)) == 0, "\(carrying.output)\(services.map(\.output))")
    #expect(carrying.output.contains("PASSED: 9 assertions hold"), "\(carrying.output)")
    for service in services { service.signal(SIGTERM) }
    for service in services { #expect(service.exitCode() == 0, "\(service.output)") }
    let sound = try check()
    #expect(sound.code == 0 && sound.output.contains("PASSED: 6 assertions hold"), "\(sound.output)")

    let csv = try #require(folder.bytes(TestFolder.csv))
    let image = try #require(folder.bytes(Self.top))
    func expectSeen(_ what: String, _ spoil: () throws -> Void) throws {
      try spoil()
      let seen = try check()
      #expect(seen.code == 1 && seen.output.contains(what), "\(what): \(seen.output)")
      try folder.write(TestFolder.csv, csv)
      try folder.write(Self.top, image)
    }
    try expectSeen("at the top.jpg has other bytes: \(image.count) of them") {
      var other = image
      other[5_000] ^= 1
      try folder.write(Self.top, other)
    }
    try expectSeen("at the top.jpg is missing") { unlink(folder.path + "/" + Self.top) }
    try expectSeen("another.jpg was never dropped") {
      try folder.write(TestFolder.output + "/another.jpg", image)
    }
    unlink(folder.path + "/" + TestFolder.output + "/another.jpg")
    let rows = String(decoding: csv, as: UTF8.self).split(separator: "\n").map { String($0) }
    let own = try #require(rows.firstIndex { $0.hasPrefix(Self.top + ",") })
    func expectSeen(_ what: String, rows: [String]) throws {
      try expectSeen(what) { try folder.write(TestFolder.csv, Array((rows.joined(separator: "\n") + "\n").utf8)) }
    }
    var without = rows
    without.remove(at: own)
    try expectSeen("at the top.jpg: 0 rows, 1 expected", rows: without)
    try expectSeen("at the top.jpg: 2 rows, 1 expected", rows: rows + [rows[own]])
    var label = rows
    label[own] = label[own].replacing(",at the top.jpg,", with: ",another,")
    try expectSeen("at the top.jpg: the label is another, not at the top.jpg", rows: label)
    try expectSeen("nobody/sent/this.jpg", rows: rows + ["nobody/sent/this.jpg,nobody"])
    #expect(try check().code == 0)
  }

  @Test("a run that is impossible is neither passed nor failed") func impossibleRunIsNoVerdict() throws {
    let program = try run("check", [:])
    #expect(program.exitCode() == 2)
    #expect(program.output.contains("run `integration-test carry` first"), "\(program.output)")
  }
}
