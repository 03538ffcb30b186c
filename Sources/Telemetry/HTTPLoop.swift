internal import CEvent
import Glibc
import Platform
import Synchronization

/// The thread of a server. Once it runs, only that thread uses the objects of libevent; others use `perform`.
final class HTTPLoop: @unchecked Sendable {
  let limits: HTTPLimits
  /// Begins to answer a request. The answer is passed to `answer`, on any thread.
  private let handle: @Sendable (HTTPLoop, HTTPRequest, Int) -> Void
  private let base: OpaquePointer
  private let listener: OpaquePointer
  private let waker: Waker
  private let inbox = Mutex<[@Sendable (HTTPLoop) -> Void]>([])
  private var connections: [Int: HTTPConnection] = [:]
  private var nextID = 0
  private var nextHeartbeat = MonotonicClock.now
  private var isListening = true

  /// - Parameter socket: it listens. The loop closes it.
  /// - Returns: nil if the system has no resources for it; then `socket` is closed.
  init?(socket: CInt, limits: HTTPLimits, handle: @escaping @Sendable (HTTPLoop, HTTPRequest, Int) -> Void) {
    let options = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC
    guard let waker = Waker(), let base = event_base_new() else {
      close(socket)
      return nil
    }
    guard let listener = evconnlistener_new(base, nil, nil, options, 0, socket) else {
      close(socket)
      event_base_free(base)
      return nil
    }
    (self.limits, self.handle, self.base, self.listener, self.waker) = (limits, handle, base, listener, waker)
  }

  // MARK: Any thread

  /// Lets the loop's thread call `work`. After the loop's end it is not called.
  func perform(_ work: @escaping @Sendable (HTTPLoop) -> Void) {
    let isFirst = inbox.withLock {
      $0.append(work)
      return $0.count == 1
    }
    if isFirst { waker.wake() }
  }

  func answer(_ response: HTTPResponse, to connection: Int) {
    perform { loop in
      guard let connection = loop.connections[connection] else {
        if case .events(let stream) = response.body { stream.close() }
        return
      }
      connection.answer(response)
    }
  }

  /// Sends bytes of a stream.
  func send(_ bytes: [UInt8], to connection: Int) { perform { $0.connections[connection]?.send(bytes) } }

  func stop() { perform { event_base_loopbreak($0.base) } }

  // MARK: The loop's thread

  /// Serves connections until `stop` is called.
  func run() {
    let context = Unmanaged.passUnretained(self).toOpaque()
    evconnlistener_set_error_cb(listener) { _, context in HTTPLoop.from(context).pauseListening() }
    evconnlistener_set_cb(
      listener,
      { _, socket, _, _, context in HTTPLoop.from(context).accept(socket) }, context)
    let woken = event_new(
      base, waker.readEnd, Int16(EV_READ | EV_PERSIST), { _, _, context in HTTPLoop.from(context).work() }, context)
    event_add(woken, nil)
    let clock = event_new(
      base, -1, Int16(EV_PERSIST), { _, _, context in HTTPLoop.from(context).tick() }, context)
    var second = timeval(tv_sec: 1, tv_usec: 0)
    event_add(clock, &second)
    event_base_dispatch(base)
    for connection in connections.values { connection.close() }
    event_free(clock)
    event_free(woken)
    evconnlistener_free(listener)
    event_base_free(base)
  }

  private static func from(_ context: UnsafeMutableRawPointer?) -> HTTPLoop {
    Unmanaged<HTTPLoop>.fromOpaque(context!).takeUnretainedValue()
  }

  private func work() {
    waker.clear()
    let all = inbox.withLock { inbox in
      defer { inbox = [] }
      return inbox
    }
    for work in all { work(self) }
  }

  private func accept(_ socket: CInt) {
    if connections.count >= limits.connections {
      // Clients that send no request must not keep out those that do.
      guard let longest = connections.values.filter(\.isIdle).min(by: { $0.deadline! < $1.deadline! }) ?? stalled else {
        Glibc.close(socket)
        return
      }
      longest.close()
    }
    nextID += 1
    if let connection = HTTPConnection(id: nextID, socket: socket, base: base, loop: self) {
      connections[nextID] = connection
    }
  }

  /// The connection whose client has read nothing for the longest time.
  private var stalled: HTTPConnection? {
    let now = MonotonicClock.now
    let all = connections.values.map { (connection: $0, stall: $0.stall(now: now)) }
    return all.filter { $0.stall > Self.shortestStall }.max { $0.stall < $1.stall }?.connection
  }

  private static let shortestStall = Duration.seconds(2)

  /// Bytes of responses in memory.
  var memory: Int { connections.values.reduce(0) { $0 + $1.memory } }

  /// No descriptor is left, for example. Without a pause, the loop would try again at once, forever.
  private func pauseListening() {
    evconnlistener_disable(listener)
    isListening = false
  }

  private func tick() {
    if !isListening { isListening = evconnlistener_enable(listener) == 0 }
    let now = MonotonicClock.now
    for connection in connections.values
    where connection.deadline.map({ $0 < now }) ?? false || connection.stall(now: now) > limits.response {
      connection.close()
    }
    guard now >= nextHeartbeat else { return }
    nextHeartbeat = now + limits.heartbeat
    for connection in connections.values { connection.sendHeartbeat() }
  }

  func received(_ request: HTTPRequest, on connection: HTTPConnection) { handle(self, request, connection.id) }

  func closed(_ connection: HTTPConnection) { connections[connection.id] = nil }

  var streams: Int { connections.values.count(where: \.isStream) }
}

/// A pipe that wakes the loop. Both ends stay open for as long as anybody might write.
private final class Waker: Sendable {
  let readEnd: CInt
  private let writeEnd: CInt

  init?() {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  func wake() {
    var byte: UInt8 = 1
    // A full pipe wakes the loop, too.
    _ = write(writeEnd, &byte, 1)
  }

  func clear() {
    var bytes = [UInt8](repeating: 0, count: 64)
    while read(readEnd, &bytes, bytes.count) == bytes.count {}
  }
}
