import Testing

@testable import Platform

/// Why a broker does not answer stands in the client's own words alone: the side says them, with what helps.
@Suite(.ownThread) struct BrokerTroubleTests {
  private let folder = Scratch()

  init() throws { try folder.makeFolder("images") }

  struct Mistake: Sendable, CustomTestStringConvertible {
    let environment: [String: String]
    let cure: String
    var testDescription: String { "\(environment)" }
  }

  private static let mistakes = [
    Mistake(environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"], cure: "nobody listens there"),
    Mistake(
      environment: ["KAFKA_BOOTSTRAP_SERVERS": "no-such-host.invalid:9092"], cure: "no such host is known here"),
    Mistake(environment: ["KAFKA_SECURITY_PROTOCOL": "SSL"], cure: "KAFKA_SECURITY_PROTOCOL"),
  ]

  @Test(arguments: mistakes, ["producer", "consumer"])
  func itIsSaidWithItsCureInLogAndHealth(mistake: Mistake, side: String) throws {
    let (broker, port) = (try Broker(), try StatusTests.freePort())
    let environment = ["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"].merging(mistake.environment) { $1 }
    let program = try Program([side], in: folder, environment: broker.environment(environment))
    try program.expectWaiting(in: folder, port: port, cure: mistake.cure)
  }

  @Test func aCommandThatDoesNotWaitForEverEndsWithTheCure() throws {
    let program = try Program(["messages"], in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    #expect(program.exitCode() == 1, "\(program.output)")
    let last = program.output.split(separator: "\n").last ?? ""
    #expect(last.contains("no answer from Kafka") && last.contains("nobody listens there"), "\(program.output)")
  }
}
