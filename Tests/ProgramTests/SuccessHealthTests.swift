import Glibc
import TestSupport
import Testing

@testable import Platform

/// Ready means success, not activity.
@Suite(.ownThread) struct SuccessHealthTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let page: StatusPage

  init() throws {
    broker = try Broker()
    page = StatusPage(port: try StatusPage.freePort())
    try folder.makeFolder("images")
  }

  private func start(_ side: String) throws -> Program {
    let environment = broker.environment(["HTTP_PORT": "\(page.port)", "HTTP_ADDRESS": "127.0.0.1"])
    let program = try Program([side], in: folder, environment: environment)
    #expect(eventually { page.ready?.status == 200 }, "\(program.output)")
    return program
  }

  /// UNKNOWN_SERVER_ERROR, which the client library retries silently.
  @Test("a consumer whose fetches fail is not ready while messages wait") func failingFetchesMakeUnready() throws {
    let consumer = try start("consumer")
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    broker.failNextRequests(api: 1, errors: Array(repeating: -1, count: 50_000))
    try broker.send([.image("b.jpg", [2])])
    let isSaid = eventually(within: .seconds(90)) { page.ready?.body.contains("storing: ") == true }
    #expect(isSaid, "\(page.ready?.body ?? "") \(consumer.output)")
    #expect(page.live?.status == 200)
    broker.clearFailures(api: 1)
    #expect(eventually { folder.rows.count == 2 && page.ready?.status == 200 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("a producer whose input cannot be scanned is not ready until it can") func missingInputMakesUnready() throws {
    let producer = try start("producer")
    try folder.move("images", to: "elsewhere")
    #expect(eventually { page.ready?.body.contains("input: ") == true }, "\(producer.output)")
    try folder.move("elsewhere", to: "images")
    #expect(eventually { page.ready?.status == 200 }, "\(page.ready?.body ?? "") \(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("--once exits if nothing is acknowledged for a minute") func onceGivesUpAfterAMinute() throws {
    for number in 0..<3 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
    let producer = try Program(
      ["producer", "--once"], in: folder, environment: broker.environment(["KAFKA_LINGER_MS": "1"]))
    // Only after the start: a missing broker at the start is a different case.
    broker.failNextRequests(api: 0, errors: Array(repeating: 19, count: 50_000))
    #expect(producer.exitCode(within: .seconds(100)) == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.sent == 3, "\(next.output)")
  }
}
