internal import CEvent
import Glibc
import Platform

/// A connection of an HTTP server: reads a request, waits for the answer, writes it, and reads the next one. Used by the
/// loop's thread only.
final class HTTPConnection {
  private enum State {
    /// Waits for the rest of a request.
    case reading
    /// The handler works on a request.
    case handling(HTTPRequest)
    case writing(isLast: Bool)
    case streaming(EventStream)
    /// The last response is sent. What the client still sends is read and discarded: closing the socket before that would
    /// reset the connection, and the client might never see the response.
    case lingering
    case closed
  }

  let id: Int
  private unowned let loop: HTTPLoop
  private let buffer: OpaquePointer
  private var state = State.reading
  /// When the connection is closed unless something happens before; nil while the handler works.
  private(set) var deadline: MonotonicClock.Instant?
  /// Bytes of the response in memory.
  private(set) var memory = 0
  /// What the client had not read when it was looked at last, and when that became less.
  private var progress: (left: Int, time: MonotonicClock.Instant) = (0, .now)
  /// The client sends nothing more.
  private var isHalfClosed = false

  /// Bytes that one turn of the loop writes to one connection.
  private static let mostAtOnce = 256 << 10
  private static let lingering = Duration.seconds(2)

  /// - Parameter socket: closed with the connection, or at once if there is no memory.
  init?(id: Int, socket: CInt, base: OpaquePointer, loop: HTTPLoop) {
    self.id = id
    self.loop = loop
    guard let buffer = bufferevent_socket_new(base, socket, Int32(BEV_OPT_CLOSE_ON_FREE.rawValue)) else {
      Glibc.close(socket)
      return nil
    }
    self.buffer = buffer
    deadline = .now + loop.limits.request
    // The head of a response and its body are written separately. The second must not wait for the first one's receipt.
    var on: CInt = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    bufferevent_setcb(
      buffer,
      { _, context in HTTPConnection.from(context).received() },
      { _, context in HTTPConnection.from(context).sent() },
      { _, what, context in HTTPConnection.from(context).ended(what) },
      Unmanaged.passUnretained(self).toOpaque())
    bufferevent_setwatermark(buffer, Int16(EV_READ), 0, loop.limits.head + 1)
    bufferevent_set_max_single_write(buffer, Self.mostAtOnce)
    bufferevent_enable(buffer, Int16(EV_READ | EV_WRITE))
  }

  private static func from(_ context: UnsafeMutableRawPointer?) -> HTTPConnection {
    Unmanaged<HTTPConnection>.fromOpaque(context!).takeUnretainedValue()
  }

  /// Whether the client has no answer to wait for.
  var isIdle: Bool { if case .reading = state { true } else { false } }

  /// How long the client has read nothing of its response.
  func stall(now: MonotonicClock.Instant) -> Duration {
    guard case .writing = state else { return .zero }
    let left = evbuffer_get_length(bufferevent_get_output(buffer))
    if left < progress.left { progress = (left, now) }
    return now - progress.time
  }

  var isStream: Bool { if case .streaming = state { true } else { false } }

  func close() {
    if case .closed = state { return }
    if case .streaming(let stream) = state { stream.close() }
    state = .closed
    bufferevent_free(buffer)
    loop.closed(self)
  }

  // MARK: What happens to it

  private func received() {
    let input = bufferevent_get_input(buffer)
    switch state {
    case .reading: read(input)
    // Kept for later, up to the watermark.
    case .handling, .writing: break
    case .streaming, .lingering: evbuffer_drain(input, evbuffer_get_length(input))
    case .closed: break
    }
  }

  private func read(_ input: OpaquePointer?) {
    let count = evbuffer_get_length(input)
    guard let start = evbuffer_pullup(input, -1) else { return }
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    guard let end = HTTPHead.end(bytes) else {
      if count > loop.limits.head { refuse(431) }
      return
    }
    do throws(HTTPRequest.Refusal) {
      guard end <= loop.limits.head else { throw HTTPRequest.Refusal(status: 431) }
      let request = try HTTPRequest(head: bytes[..<end])
      evbuffer_drain(input, end)
      state = .handling(request)
      deadline = nil
      loop.received(request, on: self)
    } catch { refuse(error.status) }
  }

  private func refuse(_ status: Int) {
    let response = status == 405 ? HTTPResponse(notAllowed: "GET, HEAD") : HTTPResponse(status: status, body: "")
    write(response, isHead: false, isLast: true)
  }

  /// Everything has been handed to the system.
  private func sent() {
    memory = 0
    switch state {
    case .writing(isLast: true): linger()
    case .writing(isLast: false):
      state = .reading
      deadline = .now + loop.limits.request
      // The next request may be there already.
      received()
    case .streaming: deadline = nil
    default: break
    }
  }

  private func linger() {
    if isHalfClosed { return close() }
    state = .lingering
    deadline = .now + Self.lingering
    shutdown(bufferevent_getfd(buffer), Int32(SHUT_WR))
    received()
  }

  private func ended(_ what: Int16) {
    // The end while writing is that of a file which has become shorter.
    guard Int32(what) & BEV_EVENT_EOF != 0, Int32(what) & BEV_EVENT_WRITING == 0 else { return close() }
    isHalfClosed = true
    switch state {
    // A client may close its half of the connection once it has sent its request.
    case .handling: break
    case .writing: state = .writing(isLast: true)
    default: close()
    }
  }

  // MARK: Answers

  func answer(_ response: HTTPResponse) {
    guard case .handling(let request) = state else { return }
    guard case .events(let stream) = response.body else {
      return write(response, isHead: request.method == .head, isLast: isHalfClosed || !request.isPersistent)
    }
    if request.method == .head {
      stream.close()
      return write(response, isHead: true, isLast: true)
    }
    guard !isHalfClosed, loop.streams < loop.limits.streams else {
      stream.close()
      return write(HTTPResponse(status: 503, body: "too many streams\n"), isHead: false, isLast: true)
    }
    add(response.head(isPersistent: false))
    state = .streaming(stream)
    stream.open { [loop, id] bytes in loop.send(bytes, to: id) }
  }

  private func write(_ response: HTTPResponse, isHead: Bool, isLast: Bool) {
    if case .bytes(let bytes) = response.body, !isHead, bytes.count > 4 << 10 {
      guard loop.memory + bytes.count <= loop.limits.memory else {
        return write(HTTPResponse(status: 503, body: "too many readers\n"), isHead: false, isLast: true)
      }
      memory = bytes.count
    }
    add(response.head(isPersistent: !isLast))
    if !isHead {
      switch response.body {
      case .bytes(let bytes): add(bytes)
      case .file(let file, let offset, let count): if count > 0, !add(file, offset, count) { return close() }
      case .events: break
      }
    }
    state = .writing(isLast: isLast)
    progress = (evbuffer_get_length(bufferevent_get_output(buffer)), .now)
    deadline = .now + loop.limits.response + .seconds((response.length ?? 0) / loop.limits.rate)
  }

  private func add(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { bufferevent_write(buffer, $0.baseAddress, $0.count) }
  }

  private func add(_ file: File, _ offset: Int, _ count: Int) -> Bool {
    // libevent closes it.
    guard let descriptor = try? file.duplicateDescriptor() else { return false }
    let isAdded =
      evbuffer_add_file(
        bufferevent_get_output(buffer), descriptor, Int64(offset), Int64(count)) == 0
    if !isAdded { Glibc.close(descriptor) }
    return isAdded
  }

  // MARK: Streams

  func send(_ bytes: [UInt8]) {
    guard case .streaming = state else { return }
    let waiting = evbuffer_get_length(bufferevent_get_output(buffer))
    guard waiting + bytes.count <= loop.limits.streamBacklog else { return close() }
    add(bytes)
    deadline = deadline ?? .now + loop.limits.response
  }

  /// A comment, which the client ignores. It shows both sides whether the other one is still there.
  func sendHeartbeat() { send(Array(":\n\n".utf8)) }
}
