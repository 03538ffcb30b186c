import Glibc
import Synchronization
import Testing

@testable import Telemetry

@Suite struct HTTPServerTests {
  private func server(_ respond: @escaping @Sendable (String) -> HTTPResponse?) throws -> HTTPServer {
    try HTTPServer(address: "127.0.0.1", port: 0) { respond($0.path) }
  }

  private func get(_ server: HTTPServer, _ path: String) -> HTTPProbe.Answer? {
    HTTPProbe.get(port: server.port, path: path, seconds: 10)
  }

  @Test("a path is answered with its status and body") func pathHasStatusAndBody() throws {
    let server = try server { HTTPResponse(status: $0 == "/sick" ? 503 : 200, body: "at \($0)\n") }
    defer { server.stop() }
    #expect(get(server, "/well") == HTTPProbe.Answer(status: 200, body: "at /well\n"))
    #expect(get(server, "/sick?query=1#part") == HTTPProbe.Answer(status: 503, body: "at /sick\n"))
  }

  @Test("an unknown path is not found") func unknownPathIsNotFound() throws {
    let server = try server { _ in nil }
    defer { server.stop() }
    #expect(get(server, "/")?.status == 404)
  }

  @Test("a large body arrives whole") func largeBodyArrivesWhole() throws {
    let body = String(repeating: "0123456789", count: 100_000)
    let server = try server { _ in HTTPResponse(body: body) }
    defer { server.stop() }
    #expect(get(server, "/")?.body == body)
  }

  @Test("an invalid address is named with its variable") func badAddressIsNamed() throws {
    let error = #expect(throws: HTTPServerError.self) {
      _ = try HTTPServer(address: "no address", port: 0) { _ in nil }
    }
    let words = "\(try #require(error))"
    #expect(words.contains("HTTP_ADDRESS") && !words.contains(String(cString: strerror(0))), "\(words)")
  }

  @Test("only GET and HEAD are answered") func onlyGetAndHeadAreAnswered() throws {
    let asked = Mutex(0)
    let server = try server { _ in
      asked.withLock { $0 += 1 }
      return HTTPResponse(body: "body")
    }
    defer { server.stop() }
    let head = try Raw.ask(server.port, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(head.hasPrefix("HTTP/1.1 200") && head.contains("Content-Length: 4\r\n"), "\(head)")
    #expect(head.hasSuffix("\r\n\r\n"), "\(head)")
    for method in ["POST", "PUT", "DELETE", "CONNECT"] {
      let answer = try Raw.ask(
        server.port, "\(method) / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 405") && answer.contains("Allow: GET, HEAD\r\n"), "\(method): \(answer)")
    }
    #expect(asked.withLock { $0 } == 1)
  }

  @Test(
    "nonsense requests are harmless",
    arguments: [
      "nonsense\r\n\r\n", "GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n", "\0\0\0\r\n\r\n",
    ])
  func nonsenseIsHarmless(request: String) throws {
    let server = try server { _ in HTTPResponse(body: "ok") }
    defer { server.stop() }
    #expect(try !Raw.ask(server.port, request).hasPrefix("HTTP/1.1 200"))
    #expect(get(server, "/")?.body == "ok")
  }

  @Test("a port in use is named with its fix") func usedPortIsNamedWithFix() throws {
    let server = try server { _ in nil }
    defer { server.stop() }
    let error = #expect(throws: HTTPServerError.self) {
      _ = try HTTPServer(address: "127.0.0.1", port: server.port) { _ in nil }
    }
    #expect("\(error!)".contains("127.0.0.1:\(server.port)") && "\(error!)".contains("HTTP_PORT"))
    #expect(error?.name == "EADDRINUSE")
  }

  @Test("an address of another machine is refused") func foreignAddressIsRefused() {
    #expect(throws: HTTPServerError.self) { _ = try HTTPServer(address: "192.0.2.1", port: 0) { _ in nil } }
  }

  @Test("a stopped server frees its port") func stoppedServerFreesPort() throws {
    let first = try server { _ in HTTPResponse(body: "first") }
    first.stop()
    first.stop()
    #expect(HTTPProbe.get(port: first.port, path: "/", seconds: 10) == nil)
    let second = try HTTPServer(address: "127.0.0.1", port: first.port) { _ in HTTPResponse(body: "second") }
    defer { second.stop() }
    #expect(get(second, "/")?.body == "second")
  }
}

/// A client that may send nonsense.
private enum Raw {
  struct Failure: Error { let code: Int32 }

  /// Sends a text and returns everything received until the other side closes or is silent for a second.
  static func ask(_ port: Int, _ text: String) throws -> String {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var patience = timeval(tv_sec: 1, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw Failure(code: errno) }
    _ = Array(text.utf8).withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count <= 0 { return String(decoding: answer, as: UTF8.self) }
      answer += buffer[..<count]
    }
  }
}
