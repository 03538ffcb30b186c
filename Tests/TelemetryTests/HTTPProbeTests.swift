import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Platform
@testable import Telemetry

/// A server that sends the same bytes to everyone, whatever is asked, and then goes on as it is told.
private final class RawServer: Sendable {
  let port: Int
  private let listener: CInt
  private let thread: BackgroundThread
  private let stop = StopFlag()

  /// - Parameters:
  ///   - bytes: sent at first.
  ///   - more: sent again and again after that; empty: nothing, and the connection stays open.
  ///   - pause: before each of those.
  init(_ bytes: String, more: String = "", pause: Duration = .zero) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) + listen(listener, 10) + getsockname(listener, $0, &length)
      }
    }
    guard code == 0 else { throw SystemError("listen on", "a port") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    thread = BackgroundThread.start("raw-server") { [stop] in
      while true {
        let client = accept(listener, nil, nil)
        if client < 0 { return }
        Self.serve(client, bytes, more, pause, stop)
        close(client)
      }
    }
  }

  private static func serve(_ client: CInt, _ bytes: String, _ more: String, _ pause: Duration, _ stop: StopFlag) {
    func send(_ text: String) -> Bool {
      Array(text.utf8).withUnsafeBytes { Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } >= 0
    }
    var request = [UInt8](repeating: 0, count: 4096)
    _ = recv(client, &request, request.count, 0)
    guard send(bytes) else { return }
    if more.isEmpty { _ = recv(client, &request, request.count, 0) }
    while !more.isEmpty, !stop.wait(for: pause), send(more) {}
  }

  deinit {
    stop.set()
    shutdown(listener, Int32(SHUT_RDWR))
    thread.join()
    close(listener)
  }
}

@Suite(OwnThread()) struct HTTPProbeTests {
  private func target(_ port: Int, _ path: String = "/") -> HTTPProbe.Target {
    HTTPProbe.Target(address: "127.0.0.1", port: port, path: path)
  }

  private let head = "HTTP/1.1 200 OK\r\n"

  @Test("many servers are asked at once, and each has its answer") func manyServers() throws {
    let servers = try (0..<20).map { number in
      try HTTPServer(address: "127.0.0.1", port: 0) { HTTPResponse(status: 400 + number, body: "\(number) \($0.path)") }
    }
    defer { for server in servers { server.stop() } }
    let answers = HTTPProbe.get(
      servers.map { target($0.port, "/x\($0.port)") }, timeout: .seconds(30), atMost: 1_000)
    for (number, server) in servers.enumerated() {
      #expect(answers[number] == HTTPProbe.Answer(status: 400 + number, body: "\(number) /x\(server.port)"))
    }
    #expect(HTTPProbe.get([], timeout: .seconds(30), atMost: 1_000) == [])
  }

  @Test("servers that are dead, silent, slow or endless cost the others nothing but the time") func badServers() throws
  {
    let well = try HTTPServer(address: "127.0.0.1", port: 0) { _ in HTTPResponse(body: "well") }
    defer { well.stop() }
    let free = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    free.stop()
    let bad = [
      try RawServer(""),
      try RawServer(head, more: "X-More: of it\r\n"),
      try RawServer(head + "\r\n", more: String(repeating: "endless ", count: 1_000)),
      try RawServer(head + "Transfer-Encoding: chunked\r\n\r\n", more: "5\r\nchunk\r\n"),
      try RawServer(head + "Content-Length: 1000000000\r\n\r\n", more: String(repeating: "x", count: 10_000)),
      try RawServer(head + "Content-Length: 100\r\n\r\n", more: "x", pause: .milliseconds(100)),
      try RawServer("", more: "H", pause: .milliseconds(100)),
      try RawServer("no HTTP at all\r\n\r\n"),
    ]
    let start = ContinuousClock.now
    let answers = HTTPProbe.get(
      [target(free.port)] + bad.map { target($0.port) } + [target(well.port)], timeout: .seconds(1), atMost: 10_000)
    #expect(ContinuousClock.now - start < .seconds(10))
    #expect(answers.dropLast().allSatisfy { $0 == nil }, "\(answers)")
    #expect(answers.last == .some(HTTPProbe.Answer(status: 200, body: "well")))
  }

  @Test("an answer may be as long as the limit") func limit() throws {
    let body = String(repeating: "x", count: 5_000)
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in HTTPResponse(body: body) }
    defer { server.stop() }
    #expect(HTTPProbe.get([target(server.port)], timeout: .seconds(30), atMost: 5_000)[0]?.body == body)
    #expect(HTTPProbe.get([target(server.port)], timeout: .seconds(30), atMost: 4_999) == [nil])
  }

  @Test("nothing is left open", .disabled(if: Sanitizer.isOn)) func descriptors() throws {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in HTTPResponse(body: "well") }
    defer { server.stop() }
    let silent = try RawServer("")
    func openFiles() -> Int { ProcessStatistics.now().openFiles }
    let before = openFiles()
    for _ in 0..<50 {
      _ = HTTPProbe.get([target(server.port), target(silent.port)], timeout: .milliseconds(20), atMost: 100)
    }
    // Other tests open and close files meanwhile.
    #expect(eventually { openFiles() < before + 40 })
  }

  @Test("an address of IPv6 is asked, too") func addressOfIPv6() throws {
    guard let server = try? HTTPServer(address: "::1", port: 0, respond: { _ in HTTPResponse(body: "six") }) else {
      return
    }
    defer { server.stop() }
    let target = HTTPProbe.Target(address: "::1", port: server.port, path: "/")
    #expect(HTTPProbe.get([target], timeout: .seconds(30), atMost: 100)[0]?.body == "six")
  }
}
