import Glibc
import Synchronization

/// Tests whether a TCP connection can be made from here, and what answers on it.
package enum TCPProbe {
  package enum Outcome: Sendable, Equatable {
    case connected
    /// The name cannot be resolved; the text is the resolver's.
    case unresolved(String)
    /// The connection was refused or is impossible: `connection refused`, `no route to host`.
    case failed(String)
    /// There was no answer in time.
    case silent
  }

  package struct Address: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }

    /// - Parameters:
    ///   - text: `host`, `host:port`, `[::1]` or `[::1]:port`. Other text is nil.
    ///   - defaultPort: the port if the text has none.
    package init?(_ text: Substring, defaultPort: Int) {
      func bare(_ host: Substring) -> String {
        host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : String(host)
      }
      guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")), text.utf8.last != UInt8(ascii: "]") else {
        guard !text.isEmpty else { return nil }
        self.init(host: bare(text), port: defaultPort)
        return
      }
      guard let port = Int(text[text.index(after: colon)...]), colon != text.startIndex else { return nil }
      self.init(host: bare(text[..<colon]), port: port)
    }

    /// `broker:9092`, `[::1]:9092`
    package var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  /// Tries all addresses at the same time.
  /// - Returns: one outcome per address, at the latest after the timeout. The threads are not joined, because the C
  ///   library's resolver has no timeout of its own.
  package static func connect(to addresses: [Address], timeout: Duration) -> [Outcome] {
    let outcomes = Results(count: addresses.count)
    let deadline = Deadline(in: timeout)
    for (number, address) in addresses.enumerated() {
      _ = BackgroundThread.start("tcp-probe") { outcomes.set(connect(to: address, deadline), number) }
    }
    _ = outcomes.isComplete.wait(for: timeout)
    return outcomes.all
  }

  private final class Results: Sendable {
    let isComplete = StopFlag()
    private let table: Mutex<[Outcome?]>

    init(count: Int) {
      table = Mutex(Array(repeating: nil, count: count))
      if count == 0 { isComplete.set() }
    }

    var all: [Outcome] { table.withLock { $0.map { $0 ?? .silent } } }

    func set(_ outcome: Outcome, _ number: Int) {
      let isLast = table.withLock { table in
        table[number] = outcome
        return !table.contains { $0 == nil }
      }
      if isLast { isComplete.set() }
    }
  }

  /// Sends a request and reads its answer. Each is preceded by its length (4 bytes, big-endian).
  /// - Returns: nil if no answer of at most 64 KiB arrives in time. The C library's resolver has no timeout of its own.
  package static func ask(_ address: Address, _ request: [UInt8], timeout: Duration) -> [UInt8]? {
    let deadline = Deadline(in: timeout)
    var answer: [UInt8]?
    _ = connect(to: address, deadline) { descriptor in
      let size = UInt32(request.count).bigEndian
      guard send(withUnsafeBytes(of: size) { Array($0) } + request, to: descriptor, deadline),
        let length = receive(4, from: descriptor, deadline)
      else { return }
      let count = length.reduce(0) { $0 << 8 | Int($1) }
      answer = count <= 64 << 10 ? receive(count, from: descriptor, deadline) : nil
    }
    return answer
  }

  private static func send(_ bytes: [UInt8], to descriptor: CInt, _ deadline: Deadline) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if ![EAGAIN, EINTR].contains(errno) || wait(for: POLLOUT, of: descriptor, deadline) != 1 {
        return false
      }
    }
    return true
  }

  private static func receive(_ count: Int, from descriptor: CInt, _ deadline: Deadline) -> [UInt8]? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: count)
    while bytes.count < count {
      let read = recv(descriptor, &buffer, count - bytes.count, 0)
      if read > 0 {
        bytes += buffer.prefix(read)
      } else if read == 0 || ![EAGAIN, EINTR].contains(errno) || wait(for: POLLIN, of: descriptor, deadline) != 1 {
        return nil
      }
    }
    return bytes
  }

  /// As `poll`: 1 once the descriptor is ready, 0 after the deadline, -1 on failure.
  private static func wait(for event: Int32, of descriptor: CInt, _ deadline: Deadline) -> CInt {
    var request = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    while true {
      let ready = poll(&request, 1, deadline.milliseconds())
      if ready >= 0 || errno != EINTR { return ready }
    }
  }

  /// - Parameter body: receives the connected socket, which is non-blocking.
  private static func connect(
    to address: Address, _ deadline: Deadline, body: (_ descriptor: CInt) -> Void = { _ in }
  ) -> Outcome {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(address.host, String(address.port), &hints, &found)
    guard code == 0, let found else { return .unresolved(unresolvedWords(code, address.host)) }
    defer { freeaddrinfo(found) }
    var last = Outcome.silent
    for entry in sequence(first: found, next: { $0.pointee.ai_next }) {
      last = connect(to: entry.pointee, deadline, body)
      if last == .connected { break }
    }
    return last
  }

  /// The numeric addresses of a host; at most `limit`, each once. The C library's resolver has no timeout of its own.
  package static func resolve(_ host: String, atMost limit: Int) -> Result<[String], Unresolved> {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, &hints, &found)
    guard code == 0, let found else { return .failure(Unresolved(words: unresolvedWords(code, host))) }
    defer { freeaddrinfo(found) }
    var addresses: [String] = []
    for entry in sequence(first: found, next: { $0.pointee.ai_next }) where addresses.count < limit {
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      guard
        getnameinfo(
          entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
      else { continue }
      let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if !addresses.contains(address) { addresses.append(address) }
    }
    return .success(addresses)
  }

  /// A name that cannot be resolved, in the resolver's words.
  package struct Unresolved: Error, Equatable { package let words: String }

  private static func unresolvedWords(_ code: CInt, _ host: String) -> String {
    if code == EAI_SYSTEM { return SystemError("resolve", host).meaning }
    let words = String(cString: gai_strerror(code))
    return words.prefix(1).lowercased() + words.dropFirst()
  }

  private static func connect(
    to entry: addrinfo, _ deadline: Deadline, _ body: (_ descriptor: CInt) -> Void
  ) -> Outcome {
    func failure(_ code: CInt) -> Outcome { .failed(SystemError("connect to", "", code: code).meaning) }
    let kind = entry.ai_socktype | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(entry.ai_family, kind, entry.ai_protocol)
    guard descriptor >= 0 else { return failure(errno) }
    defer { _ = close(descriptor) }
    if Glibc.connect(descriptor, entry.ai_addr, entry.ai_addrlen) != 0 {
      let code = errno
      guard code == EINPROGRESS || code == EINTR else { return failure(code) }
      let ready = wait(for: POLLOUT, of: descriptor, deadline)
      guard ready > 0 else { return ready == 0 ? .silent : failure(errno) }
      var result: CInt = 0
      var size = socklen_t(MemoryLayout<CInt>.size)
      guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &size) == 0 else { return failure(errno) }
      guard result == 0 else { return failure(result) }
    }
    body(descriptor)
    return .connected
  }
}
