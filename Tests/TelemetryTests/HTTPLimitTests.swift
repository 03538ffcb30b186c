import Platform
import TestSupport
import Testing

@testable import Telemetry

/// Clients that do not behave.
@Suite(OwnThread()) struct HTTPLimitTests {
  private func server(
    _ change: (inout HTTPLimits) -> Void = { _ in }, workers: Int = 0,
    _ answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse = { _ in HTTPResponse(body: "ok") }
  ) throws -> HTTPServer {
    var limits = HTTPLimits()
    change(&limits)
    return try HTTPServer(address: "127.0.0.1", port: 0, limits: limits, workers: workers, answer: answer)
  }

  @Test("1,000 silent connections do not keep others out") func silentConnections() throws {
    let server = try server()
    defer { server.stop() }
    var silent: [RawConnection] = []
    for number in 0..<1_000 {
      let connection = try RawConnection(port: server.port)
      if number.isMultiple(of: 2) { connection.send("GET / HT") }
      // The test's process has a limit of open files, too.
      if silent.count < 300 { silent.append(connection) }
      if number % 200 == 199 { #expect(try RawResponse.get(server.port, "/")?.text == "ok") }
    }
    #expect(silent[0].isClosed(within: 5))
  }

  @Test("half a request is given up after its time") func halfRequestsEnd() throws {
    let server = try server { $0.request = .milliseconds(200) }
    defer { server.stop() }
    let connection = try RawConnection(port: server.port)
    connection.send("GET / HTTP/1.1\r\nHost:")
    #expect(connection.readAll() == [])
  }

  @Test("a request that arrives byte by byte has the same time as any other") func tricklingRequestsEnd() throws {
    let server = try server { $0.request = .milliseconds(300) }
    defer { server.stop() }
    let connection = try RawConnection(port: server.port)
    // A byte now and then would keep a timeout between two bytes from passing, for hours.
    #expect(
      eventually(within: .seconds(10), every: .milliseconds(20)) {
        connection.send("x")
        return connection.isClosedNow
      })
  }

  @Test("huge headers are refused, and the client sees why") func hugeHeadersAreRefused() throws {
    let server = try server()
    defer { server.stop() }
    let connection = try RawConnection(port: server.port)
    connection.send("GET / HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "x", count: 200_000))\r\n\r\n")
    #expect(connection.readAll().flatMap { RawResponse($0) }?.status == 431)
    #expect(try RawResponse.get(server.port, "/")?.text == "ok")
  }

  @Test("a response that the client does not read is given up") func unreadResponsesEnd() throws {
    let server = try server {
      ($0.response, $0.rate) = (.milliseconds(200), 1 << 30)
    } _: {
      $0.path == "/"
        ? HTTPResponse(body: "ok") : HTTPResponse(contentType: "x", bytes: [UInt8](repeating: 1, count: 20_000_000))
    }
    defer { server.stop() }
    let connection = try RawConnection(port: server.port, window: 4_096)
    connection.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(connection.read(upTo: "\r\n\r\n") != nil)
    #expect(try RawResponse.get(server.port, "/")?.text == "ok")
    // Nothing is read until the server has closed the connection, so not all bytes can have been sent.
    pause(.seconds(2))
    #expect(try #require(connection.readAll()).count < 20_000_000)
  }

  @Test("a slow answer does not delay others") func slowAnswersDelayNobody() throws {
    let gate = Gate(limit: 1)
    #expect(gate.acquire(1, timeout: nil))
    let server = try server(workers: 2) { request in
      if request.path == "/slow" {
        _ = gate.acquire(1, timeout: nil)
        gate.release(1)
      }
      return HTTPResponse(body: request.path)
    }
    defer { server.stop() }
    let slow = try RawConnection(port: server.port)
    slow.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(try RawResponse.get(server.port, "/quick")?.text == "/quick")
    gate.release(1)
    #expect(slow.readAll().flatMap { RawResponse($0) }?.text == "/slow")
  }

  @Test("requests with threads of their own delay no others, however many they are") func lane() throws {
    let gate = Gate(limit: 1)
    #expect(gate.acquire(1, timeout: nil))
    let server = try HTTPServer(
      address: "127.0.0.1", port: 0, workers: 1, lane: HTTPLane(workers: 2) { $0.path == "/slow" }
    ) { request in
      if request.path == "/slow" {
        _ = gate.acquire(1, timeout: nil)
        gate.release(1)
      }
      return HTTPResponse(body: request.path)
    }
    defer { server.stop() }
    let slow = try (0..<5).map { _ in try RawConnection(port: server.port) }
    for connection in slow { connection.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }
    #expect(try RawResponse.get(server.port, "/quick")?.text == "/quick")
    gate.release(1)
    for connection in slow { #expect(connection.readAll().flatMap { RawResponse($0) }?.text == "/slow") }
  }

  @Test("the answer to a client that has left is discarded") func leftClientsAreForgotten() throws {
    let gate = Gate(limit: 1)
    let server = try server(workers: 1) { request in
      _ = gate.acquire(1, timeout: nil)
      gate.release(1)
      return HTTPResponse(body: request.path)
    }
    defer { server.stop() }
    #expect(gate.acquire(1, timeout: nil))
    do {
      let connection = try RawConnection(port: server.port)
      connection.send("GET /left HTTP/1.1\r\nHost: x\r\n\r\n")
    }
    gate.release(1)
    #expect(try RawResponse.get(server.port, "/here")?.text == "/here")
  }

  @Test("clients that read nothing make room for others, and lose their connection in the end") func stalledReaders()
    throws
  {
    let large = [UInt8](repeating: 7, count: 4 << 20)
    let server = try server {
      ($0.connections, $0.response) = (4, .seconds(4))
    } _: {
      $0.path == "/large" ? HTTPResponse(contentType: "image/png", bytes: large) : HTTPResponse(body: "ok")
    }
    defer { server.stop() }
    let stalled = try (0..<4).map { _ in
      let connection = try RawConnection(port: server.port, window: 4_096)
      connection.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
      return connection
    }
    #expect(eventually { try RawResponse.get(server.port, "/")?.text == "ok" })
    for connection in stalled { #expect(connection.isClosed()) }
  }

  @Test("responses that nobody reads take a bounded amount of memory") func boundedMemory() throws {
    let large = [UInt8](repeating: 7, count: 1 << 20)
    let server = try server {
      $0.memory = 3 << 20
    } _: { _ in
      HTTPResponse(contentType: "image/png", bytes: large)
    }
    defer { server.stop() }
    let readers = try (0..<6).map { _ in
      let connection = try RawConnection(port: server.port, window: 4_096)
      connection.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      return connection
    }
    let statuses = readers.map { $0.readAll().flatMap { RawResponse($0) }?.status }
    #expect(statuses.count { $0 == 200 } >= 3 && statuses.count { $0 == 503 } >= 1, "\(statuses)")
    #expect(try RawResponse.get(server.port, "/")?.body.count == large.count)
  }
}
