import TestSupport
import Testing

@testable import Platform

/// Only the client's own messages tell why a broker does not answer. The side reports them with a fix.
@Suite(.ownThread) struct UnreachableBrokerTests {
  private let folder = TestFolder()

  init() throws { try folder.makeFolder("images") }

  struct Mistake: Sendable, CustomTestStringConvertible {
    let environment: [String: String]
    /// The name of the reason; nil if it depends on librdkafka's version.
    var error: String?
    /// The reason in librdkafka's words, and the variable to correct: that variable alone is also named if the reason is
    /// not recognised.
    let words: [String]
    var testDescription: String { "\(environment)" }
  }

  private static let mistakes = [
    Mistake(
      environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"], error: "_TRANSPORT",
      words: ["Connection refused", "KAFKA_BOOTSTRAP_SERVERS"]),
    Mistake(
      environment: ["KAFKA_BOOTSTRAP_SERVERS": "no-such-host.invalid:9092"], error: "_RESOLVE",
      words: ["(_RESOLVE)", "KAFKA_BOOTSTRAP_SERVERS"]),
    Mistake(environment: ["KAFKA_SECURITY_PROTOCOL": "SSL"], words: ["KAFKA_SECURITY_PROTOCOL"]),
  ]

  @Test("a connection failure appears in log and health with its fix", arguments: mistakes, ["producer", "consumer"])
  func causeIsInLogAndHealth(mistake: Mistake, side: String) throws {
    let (broker, port) = (try Broker(), try StatusPage.freePort())
    let environment = ["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"].merging(mistake.environment) { $1 }
    let program = try Program([side], in: folder, environment: broker.environment(environment))
    try program.expectWaiting(in: folder, port: port, error: mistake.error, naming: mistake.words)
  }

  @Test("a command with a time limit exits with the fix") func boundedCommandExitsWithFix() throws {
    let program = try Program(["messages"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(
      program.hasEvent(
        "program_failed", ["error": "NoBroker"], naming: "127.0.0.1:1", "Connection refused", "KAFKA_BOOTSTRAP_SERVERS"),
      "\(program.output)")
  }
}
