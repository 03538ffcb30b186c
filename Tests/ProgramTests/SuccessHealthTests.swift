import Glibc
import Testing

@testable import Platform

/// Ready is who succeeds, not who is busy.
@Suite(.ownThread) struct SuccessHealthTests {
  private let folder = Scratch()
  private let broker: Broker
  private let page: StatusPage

  init() throws {
    broker = try Broker()
    page = StatusPage(port: try StatusTests.freePort())
    try folder.makeFolder("images")
  }

  private func start(_ side: String) throws -> Program {
    let environment = broker.environment(["HTTP_PORT": "\(page.port)", "HTTP_ADDRESS": "127.0.0.1"])
    let program = try Program([side], in: folder, environment: environment)
    #expect(eventually { page.ready?.status == 200 }, "\(program.output)")
    return program
  }

  /// UNKNOWN_SERVER_ERROR, which the client's library retries in silence.
  @Test("a consumer whose fetches fail is not ready while messages wait") func failingFetchesAreVisible() throws {
    let consumer = try start("consumer")
    try broker.send([.image("a.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    broker.failNextRequests(api: 1, errors: Array(repeating: -1, count: 50_000))
    try broker.send([.image("b.jpg", [2])])
    let isSaid = eventually(withinSeconds: 90) { page.ready?.body.contains("storing: ") == true }
    #expect(isSaid, "\(page.ready?.body ?? "") \(consumer.output)")
    #expect(page.live?.status == 200)
    broker.clearFailures(api: 1)
    #expect(eventually { folder.rows.count == 2 && page.ready?.status == 200 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
  }

  @Test("a producer whose input cannot be scanned is not ready until it can") func aMissingInputIsVisible() throws {
    let producer = try start("producer")
    try folder.move("images", to: "elsewhere")
    #expect(eventually { page.ready?.body.contains("input: ") == true }, "\(producer.output)")
    try folder.move("elsewhere", to: "images")
    #expect(eventually { page.ready?.status == 200 }, "\(page.ready?.body ?? "") \(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a run that sends what is there ends when nothing is acknowledged for a minute") func aRunGivesUp() throws {
    for number in 0..<3 { try folder.write("images/\(number).jpg", [UInt8(number)]) }
    let producer = try Program(
      ["producer", "--once"], in: folder, environment: broker.environment(["KAFKA_LINGER_MS": "1"]))
    // Once it has begun: a broker that is not there at the start is another matter.
    broker.failNextRequests(api: 0, errors: Array(repeating: 19, count: 50_000))
    #expect(producer.exitCode(withinSeconds: 100) == 1, "\(producer.output)")
    broker.clearFailures(api: 0)
    let next = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(next.exitCode() == 0 && next.output.contains("sent 3 images,"), "\(next.output)")
  }
}
