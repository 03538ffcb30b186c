import Synchronization
import TestSupport
import Testing

@testable import Page
@testable import Platform
@testable import Telemetry

/// Sides that answer as a test wants, and the watch that asks them.
@Suite(OwnThread()) struct SideWatchTests {
  private final class FakeSide: Sendable {
    let metrics: Mutex<SideMetrics>

    init(_ kind: SideReading.Kind) { metrics = Mutex(SideMetrics(kind)) }

    func change(_ body: (inout SideMetrics) -> Void) { metrics.withLock { body(&$0) } }

    func serve() throws -> HTTPServer {
      try HTTPServer(address: "127.0.0.1", port: 0) { [self] request in
        let now = metrics.withLock { $0 }
        switch request.path {
        case "/metrics": return HTTPResponse(body: now.text)
        case "/readyz":
          return now.isReady
            ? HTTPResponse(body: "ok\n") : HTTPResponse(status: 503, body: "broker: <b>gone</b>\ncsv: x\n")
        default: return nil
        }
      }
    }
  }

  private func watching(_ sides: [TCPProbe.Address], _ body: (SideWatch) throws -> Void) throws {
    let watch = SideWatch(sides, interval: .milliseconds(200 * Sanitizer.slowness))
    let stop = StopFlag()
    let thread = BackgroundThread.start("sides") { watch.run(until: stop) }
    defer {
      stop.set()
      thread.join()
    }
    try body(watch)
  }

  private func at(_ server: HTTPServer, _ host: String = "127.0.0.1") -> TCPProbe.Address {
    TCPProbe.Address(host: host, port: server.port)
  }

  @Test("the numbers of both sides are asked for, and reach those who listen") func numbers() throws {
    let (producer, consumer) = (FakeSide(.producer), FakeSide(.consumer))
    let servers = try [producer.serve(), consumer.serve()]
    defer { for server in servers { server.stop() } }
    try watching(servers.map { at($0) }) { watch in
      #expect(eventually { watch.json.contains("\"is\":\"idle\"") }, "\(watch.json)")
      let client = StreamClient()
      watch.add(client.stream)
      producer.change { $0.images += 1_000 }
      consumer.change { $0.backlog = 7 }
      #expect(eventually { client.text.contains("\"is\":\"flowing\"") }, "\(client.text)")
      #expect(eventually { client.text.contains("\"lag\":7,") }, "\(client.text)")
      #expect(client.text.hasPrefix("event: numbers\ndata: {") && !client.text.contains("id:"))
      #expect(eventually { watch.json.contains("\"producers\":1,\"consumers\":1,\"fileFloor\":0.1,") })
      let answer = try PageClient("/nowhere", sides: watch).get("/api/numbers")
      #expect(answer.text.contains("\"series\":{\"in\":["))
      client.stream.close()
    }
  }

  @Test("faults of a side are shown in its own words, and a side that goes away is named") func troubles() throws {
    let (producer, consumer) = (FakeSide(.producer), FakeSide(.consumer))
    let servers = try [producer.serve(), consumer.serve()]
    defer { for server in servers { server.stop() } }
    producer.change { $0.isReady = false }
    try watching([at(servers[0], "localhost"), at(servers[1])]) { watch in
      let words =
        "{\"side\":\"producer at localhost:\(servers[0].port)\",\"words\":\"broker: <b>gone</b>\\ncsv: x\"}"
      #expect(eventually { watch.json.contains("\"troubles\":[\(words)]") }, "\(watch.json)")
      producer.change { $0.isReady = true }
      #expect(eventually { watch.json.contains("\"troubles\":[]") }, "\(watch.json)")
      servers[1].stop()
      #expect(
        eventually { watch.json.contains("\"side\":\"consumer at 127.0.0.1:\(servers[1].port)\"") }, "\(watch.json)")
      #expect(eventually { watch.json.contains("\"consumers\":0") })
    }
  }

  @Test("a stranger and an unknown name have different messages") func strangers() throws {
    let stranger = try HTTPServer(address: "127.0.0.1", port: 0) { _ in HTTPResponse(body: "<html>hello</html>") }
    defer { stranger.stop() }
    try watching([at(stranger), TCPProbe.Address(host: "nobody.invalid", port: 1)]) { watch in
      #expect(eventually { watch.json.contains("neither a producer nor a consumer") }, "\(watch.json)")
      #expect(eventually { watch.json.contains("\"side\":\"nobody.invalid:1\"") }, "\(watch.json)")
    }
  }

  @Test("without sides the page says so") func noSides() throws {
    #expect(try PageClient("/nowhere").get("/api/numbers").text == "{\"state\":null}")
  }

  @Test("it stops at once, whatever sides do") func stops() throws {
    let start = ContinuousClock.now
    try watching([TCPProbe.Address(host: "127.0.0.1", port: 1)]) { _ in }
    #expect(ContinuousClock.now - start < .seconds(10))
  }
}
