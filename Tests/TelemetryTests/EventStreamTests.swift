import Platform
import Synchronization
import TestSupport
import Testing

@testable import Telemetry

/// Server-sent events, from the thread that sends them to the client.
@Suite(OwnThread()) struct EventStreamTests {
  /// The streams that a server has opened, oldest first.
  private final class Streams: Sendable {
    let all = Mutex<[EventStream]>([])
    func new() -> EventStream {
      let stream = EventStream()
      stream.send("hello", id: "0", data: "first")
      all.withLock { $0.append(stream) }
      return stream
    }
    subscript(index: Int) -> EventStream { all.withLock { $0[index] } }
    var count: Int { all.withLock { $0.count } }
  }

  private let streams = Streams()

  private func server(_ change: (inout HTTPLimits) -> Void = { _ in }) throws -> HTTPServer {
    var limits = HTTPLimits()
    change(&limits)
    return try HTTPServer(address: "127.0.0.1", port: 0, limits: limits, workers: 1) { [streams] request in
      request.path == "/events" ? HTTPResponse(streams.new()) : HTTPResponse(body: "ok")
    }
  }

  private func open(_ server: HTTPServer, window: Int32? = nil) throws -> RawConnection {
    let connection = try RawConnection(port: server.port, window: window)
    connection.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection
  }

  @Test("events arrive in order, the first ones included") func eventsArriveInOrder() throws {
    let server = try server()
    defer { server.stop() }
    let client = try open(server)
    let head = try #require(client.read(upTo: "\r\n\r\n"))
    #expect(head.contains("Content-Type: text/event-stream\r\n") && !head.contains("Content-Length"), "\(head)")
    #expect(client.read(upTo: "\n\n") == "event: hello\nid: 0\ndata: first\n\n")
    for number in 1...200 { streams[0].send("n", id: "\(number)", data: "a\nb \(number)") }
    for number in 1...200 {
      #expect(client.read(upTo: "\n\n") == "event: n\nid: \(number)\ndata: a\ndata: b \(number)\n\n")
    }
  }

  @Test("a client that has left closes its stream at once") func leftClientClosesStream() throws {
    let server = try server()
    defer { server.stop() }
    do {
      let client = try open(server)
      _ = client.read(upTo: "first\n\n")
      #expect(!streams[0].isClosed)
    }
    #expect(eventually { streams[0].isClosed })
    streams[0].send("n", id: "1", data: "to nobody")
  }

  @Test("a client that does not read loses its connection, and others keep theirs") func slowClientIsClosed() throws {
    let server = try server { $0.streamBacklog = 50_000 }
    defer { server.stop() }
    let (slow, quick) = (try open(server, window: 2_048), try open(server))
    #expect(quick.read(upTo: "first\n\n") != nil)
    #expect(eventually { streams.count == 2 })
    let data = String(repeating: "x", count: 10_000)
    // The system's own buffers are filled first.
    let isClosed = eventually {
      for index in 0..<2 { streams[index].send("n", id: "1", data: data) }
      return quick.read(upTo: "\n\n") != nil && (streams[0].isClosed || streams[1].isClosed)
    }
    #expect(isClosed)
    let left = streams[0].isClosed ? 1 : 0
    #expect(!streams[left].isClosed)
    streams[left].send("last", id: "2", data: "still here")
    #expect(quick.read(upTo: "still here\n\n") != nil)
    withExtendedLifetime(slow) {}
  }

  @Test("a silent stream shows that it is alive") func heartbeat() throws {
    let server = try server { $0.heartbeat = .milliseconds(10) }
    defer { server.stop() }
    let client = try open(server)
    #expect(client.read(upTo: "first\n\n") != nil)
    #expect(client.read(upTo: ":\n\n") == ":\n\n")
  }

  @Test("one stream too many is refused, until another one ends") func streamsAreBounded() throws {
    let server = try server { $0.streams = 2 }
    defer { server.stop() }
    var clients = [try open(server), try open(server)]
    for client in clients { #expect(client.read(upTo: "first\n\n") != nil) }
    #expect(try open(server).readAll().flatMap { RawResponse($0) }?.status == 503)
    #expect(eventually { streams.count == 3 && streams[2].isClosed })
    #expect(try RawResponse.get(server.port, "/")?.text == "ok")
    clients.removeFirst()
    #expect(eventually { try open(server).read(upTo: "first\n\n") != nil })
  }

  @Test("HEAD opens no stream") func headOpensNone() throws {
    let server = try server()
    defer { server.stop() }
    #expect(try RawResponse.get(server.port, "/events", method: "HEAD") != nil)
    #expect(eventually { streams.count == 1 && streams[0].isClosed })
  }

  @Test("a server that stops ends its streams") func stoppedServerEndsStreams() throws {
    let server = try server()
    let client = try open(server)
    #expect(client.read(upTo: "first\n\n") != nil)
    server.stop()
    #expect(client.isClosed() && streams[0].isClosed)
    streams[0].send("n", id: "1", data: "late")
  }
}
