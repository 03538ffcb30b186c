import Glibc
import Platform
import Synchronization

/// A server between a client and a store that does to requests what networks and stores do: it answers with errors, ends
/// connections, or loses answers.
package final class StoreProxy: Sendable {
  package struct Request: Sendable {
    package let method: String
    /// As sent, with the query.
    package let target: String
    /// By names in lower case.
    package let headers: [String: String]
    package let body: [UInt8]
    fileprivate let head: [UInt8]
  }

  package enum Action: Sendable {
    /// Passes the request and its answer on.
    case pass
    case answer(status: Int, headers: [String] = [], body: String = "")
    /// Answers with this text, and ends the connection.
    case raw(String)
    /// Ends the connection instead of answering; the store does not see the request.
    case drop
    /// Does not answer. Ends with the client's connection.
    case hang
    /// Passes the request on, and ends the connection instead of answering.
    case loseAnswer
    /// Passes the request on, and ends the connection after this many bytes of the answer.
    case cutAnswer(after: Int)
  }

  private let store: String
  private let listener: CInt
  package let port: Int
  private let decide: @Sendable (Request) -> Action
  private let seen = Mutex<[Request]>([])
  private let thread = Mutex<BackgroundThread?>(nil)

  /// - Parameters:
  ///   - store: the endpoint of a store; requests are passed on to it.
  ///   - decide: what to do with a request. Called on threads of the proxy.
  package init(to store: String = "http://127.0.0.1:1", _ decide: @escaping @Sendable (Request) -> Action) throws {
    self.store = store
    self.decide = decide
    (listener, port) = try Self.listen()
    thread.withLock { $0 = BackgroundThread.start("proxy") { [self] in accept() } }
  }

  package var address: String { "http://127.0.0.1:\(port)" }

  /// The requests so far.
  package var requests: [Request] { seen.withLock { $0 } }

  package func close() {
    shutdown(listener, CInt(SHUT_RDWR))
    thread.withLock { $0 }?.join()
    Glibc.close(listener)
  }

  private static func listen() throws -> (CInt, Int) {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), in_addr_t(0x7F00_0001).bigEndian)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && Glibc.listen(listener, 128) == 0 && getsockname(listener, $0, &size) == 0
      }
    }
    guard isBound else { throw SystemError("listen on", "127.0.0.1", code: errno) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  private func accept() {
    var threads: [BackgroundThread] = []
    let open = Connections()
    while true {
      let connection = Glibc.accept(listener, nil, nil)
      guard connection >= 0 else { break }
      open.add(connection)
      threads.append(
        BackgroundThread.start("proxy") { [self] in
          serve(connection)
          open.close(connection)
        })
    }
    open.shutDown()
    for thread in threads { thread.join() }
  }

  /// The connections that are open, so that their threads can be ended.
  private final class Connections: Sendable {
    private let open = Mutex<Set<CInt>>([])
    func add(_ connection: CInt) { open.withLock { _ = $0.insert(connection) } }
    func close(_ connection: CInt) {
      open.withLock {
        $0.remove(connection)
        _ = Glibc.close(connection)
      }
    }
    func shutDown() { open.withLock { for connection in $0 { shutdown(connection, CInt(SHUT_RDWR)) } } }
  }

  private func serve(_ connection: CInt) {
    while let request = Self.read(connection) {
      seen.withLock { $0.append(request) }
      switch decide(request) {
      case .answer(let status, let headers, let body):
        let lines = ["HTTP/1.1 \(status) x"] + headers + ["Content-Length: \(body.utf8.count)", "", ""]
        let text = lines.joined(separator: "\r\n") + (request.method == "HEAD" ? "" : body)
        guard Self.write(Array(text.utf8), to: connection) else { return }
      case .raw(let text):
        _ = Self.write(Array(text.utf8), to: connection)
        return
      case .hang:
        _ = Self.readAll(connection)
        return
      case .drop: return
      case .pass:
        guard let answer = forward(request), Self.write(answer, to: connection) else { return }
        // The store was asked to end its connection, and its answer says so.
        return
      case .loseAnswer:
        _ = forward(request)
        return
      case .cutAnswer(let count):
        if let answer = forward(request) { _ = Self.write(Array(answer.prefix(count)), to: connection) }
        return
      }
    }
  }

  /// Sends a request to the store.
  private func forward(_ request: Request) -> [UInt8]? {
    guard let port = store.split(separator: ":").last.flatMap({ UInt16($0) }) else { return nil }
    let connection = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { Glibc.close(connection) }
    var address = sockaddr_in()
    (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), in_addr_t(0x7F00_0001).bigEndian)
    address.sin_port = port.bigEndian
    let isConnected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    let head = request.head + Array("Connection: close\r\n\r\n".utf8)
    guard isConnected, Self.write(head + request.body, to: connection) else { return nil }
    return Self.readAll(connection)
  }

  // MARK: Bytes

  /// Reads a request whose body has a length.
  private static func read(_ connection: CInt) -> Request? {
    var bytes: [UInt8] = []
    let end = Array("\r\n\r\n".utf8)
    var head: Range<Int>?
    while head == nil {
      guard more(connection, &bytes) else { return nil }
      head = bytes.firstRange(of: end)
    }
    let lines = String(decoding: bytes[..<head!.lowerBound], as: UTF8.self).split(separator: "\r\n")
    let words = lines[0].split(separator: " ")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    let length = headers["content-length"].flatMap { Int($0) } ?? 0
    while bytes.count < head!.upperBound + length { guard more(connection, &bytes) else { return nil } }
    return Request(
      method: String(words[0]), target: String(words[1]), headers: headers, body: Array(bytes[head!.upperBound...]),
      head: Array(bytes[..<(head!.lowerBound + 2)]))
  }

  private static func more(_ connection: CInt, _ bytes: inout [UInt8]) -> Bool {
    let piece = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
      count = max(0, recv(connection, buffer.baseAddress, buffer.count, 0))
    }
    bytes += piece
    return !piece.isEmpty
  }

  private static func readAll(_ connection: CInt) -> [UInt8] {
    var bytes: [UInt8] = []
    while more(connection, &bytes) {}
    return bytes
  }

  private static func write(_ bytes: [UInt8], to connection: CInt) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let count = Glibc.send(connection, bytes.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }
}
