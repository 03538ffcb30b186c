import Glibc

/// A connection to a server on this machine. It sends what a test wants, be it nonsense, and reads when the test wants.
package final class RawConnection {
  package struct Failure: Error { let code: Int32 }

  private let descriptor: CInt
  /// Received, and not returned yet.
  private var received: [UInt8] = []

  /// - Parameter window: the bytes that the system receives before the test reads them; nil for the system's default.
  package init(port: Int, window: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var window { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(MemoryLayout<Int32>.size)) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else {
      let code = errno
      close(descriptor)
      throw Failure(code: code)
    }
  }

  deinit { close(descriptor) }

  package func send(_ text: String) {
    _ = Array(text.utf8).withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// Sends nothing more, and still reads.
  package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads until the other side closes the connection.
  /// - Returns: nil if it does not within the time.
  package func readAll(within seconds: Int = 30) -> [UInt8]? {
    guard receive(within: seconds, until: { _ in false }) == .closed else { return nil }
    defer { received = [] }
    return received
  }

  /// Whether the other side closes the connection within the time. What arrives meanwhile is discarded.
  package func isClosed(within seconds: Int = 30) -> Bool { readAll(within: seconds) != nil }

  /// Whether the other side has closed the connection. What has arrived is discarded.
  package var isClosedNow: Bool {
    var byte: UInt8 = 0
    while true {
      let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
      if count <= 0 { return count == 0 || errno != EAGAIN }
    }
  }

  /// Reads until a text has arrived. Returns everything up to its end.
  /// - Returns: nil if the connection is closed before that, or after the time.
  package func read(upTo text: String, within seconds: Int = 30) -> String? {
    let wanted = Array(text.utf8)
    guard receive(within: seconds, until: { $0.contains(wanted) }) == .found else { return nil }
    let end = received.firstRange(of: wanted)!.upperBound
    defer { received.removeFirst(end) }
    return String(decoding: received[..<end], as: UTF8.self)
  }

  private enum Outcome { case found, closed, late }

  private func receive(within seconds: Int, until isEnough: ([UInt8]) -> Bool) -> Outcome {
    let deadline = ContinuousClock.now + .seconds(seconds * Sanitizer.slowness)
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while !isEnough(received) {
      var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let rest = (deadline - .now) / .milliseconds(1)
      guard rest > 0, poll(&wait, 1, Int32(rest)) > 0 else { return .late }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return .closed }
      received += buffer[..<count]
    }
    return .found
  }
}

/// What a server answered.
package struct RawResponse: Sendable {
  package let status: Int
  /// By their names in lower case.
  package let headers: [String: String]
  package let body: [UInt8]

  package var text: String { String(decoding: body, as: UTF8.self) }

  /// nil if the bytes are no response.
  package init?(_ bytes: [UInt8]) {
    guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
    guard let first = lines.first, first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3)) else {
      return nil
    }
    self.status = status
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstRange(of: ": ") else { return nil }
      headers[line[..<colon.lowerBound].lowercased()] = String(line[colon.upperBound...])
    }
    self.headers = headers
    body = Array(bytes[end.upperBound...])
  }

  /// Asks a server on this machine, with a connection of its own.
  package static func get(
    _ port: Int, _ path: String, method: String = "GET", host: String = "localhost", _ headers: [String: String] = [:]
  ) throws -> RawResponse? {
    let connection = try RawConnection(port: port)
    let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
    connection.send("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\(lines)\r\n")
    return connection.readAll().flatMap { RawResponse($0) }
  }
}
