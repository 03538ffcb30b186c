import Glibc
import Synchronization

/// Whether a TCP connection can be had from here. Nothing is said on it.
public enum TCPProbe {
  public enum Outcome: Sendable, Equatable {
    case connected
    /// The name leads nowhere; the resolver's words.
    case unresolved(String)
    /// Somebody said no: `connection refused`, `no route to host`.
    case failed(String)
    /// Nobody said anything in time.
    case silent
  }

  public struct Address: Sendable, Hashable, CustomStringConvertible {
    public let host: String
    public let port: Int

    public init(host: String, port: Int) {
      self.host = host
      self.port = port
    }

    /// `broker:9092`, `[::1]:9092`
    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  /// Tries all at once.
  /// - Returns: one for each, after the time at the latest: the C library's resolver has no bound of its own.
  public static func connect(to addresses: [Address], timeoutMilliseconds: Int) -> [Outcome] {
    let outcomes = Results(count: addresses.count)
    let deadline = Deadline(afterMilliseconds: timeoutMilliseconds)
    for (number, address) in addresses.enumerated() {
      _ = BackgroundThread.start("tcp-probe") { outcomes.set(connect(to: address, deadline), number) }
    }
    _ = outcomes.isComplete.wait(milliseconds: timeoutMilliseconds)
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

  private static func connect(to address: Address, _ deadline: Deadline) -> Outcome {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(address.host, String(address.port), &hints, &found)
    guard code == 0, let found else {
      if code == EAI_SYSTEM { return .unresolved(SystemError("resolve", address.host).meaning) }
      let words = String(cString: gai_strerror(code))
      return .unresolved(words.prefix(1).lowercased() + words.dropFirst())
    }
    defer { freeaddrinfo(found) }
    var last = Outcome.silent
    for entry in sequence(first: found, next: { $0.pointee.ai_next }) {
      last = connect(to: entry.pointee, deadline)
      if last == .connected { break }
    }
    return last
  }

  private static func connect(to entry: addrinfo, _ deadline: Deadline) -> Outcome {
    func failure(_ code: CInt) -> Outcome { .failed(SystemError("connect to", "", code: code).meaning) }
    let kind = entry.ai_socktype | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(entry.ai_family, kind, entry.ai_protocol)
    guard descriptor >= 0 else { return failure(errno) }
    defer { _ = close(descriptor) }
    if Glibc.connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 { return .connected }
    let code = errno
    guard code == EINPROGRESS || code == EINTR else { return failure(code) }
    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
      let ready = poll(&request, 1, CInt(clamping: deadline.remainingMilliseconds))
      if ready > 0 { break }
      if ready == 0 { return .silent }
      if errno != EINTR { return failure(errno) }
    }
    var result: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &result, &size) == 0 else { return failure(errno) }
    return result == 0 ? .connected : failure(result)
  }
}
