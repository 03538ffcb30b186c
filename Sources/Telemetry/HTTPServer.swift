internal import CEvent
import Glibc
import Platform

/// A small HTTP server: probes, Prometheus, a person with a browser. It reads no bodies. One thread serves all
/// connections with libevent's event loop. libevent's own HTTP server bounds neither the number of connections nor the
/// time that a request takes to arrive, and does not notice that the client of a stream has left.
package final class HTTPServer: Sendable {
  /// The version of the loaded libevent: `2.1.12-stable`.
  package static var libraryVersion: String { String(cString: event_get_version()) }

  /// The requested port, or the one that the system chose for 0.
  package let port: Int
  private let loop: HTTPLoop
  private let thread: BackgroundThread
  private let queues: [BoundedQueue<Job>]
  private let workers: [BackgroundThread]

  private struct Job: Sendable {
    let request: HTTPRequest
    let connection: Int
    let loop: HTTPLoop
  }

  private static let backlog: CInt = 128

  /// Starts to answer requests.
  /// - Parameters:
  ///   - address: numeric; `0.0.0.0` for all of IPv4, `::` for all of IPv4 and IPv6.
  ///   - port: 0 for any free one.
  ///   - variable: the variable that has the port, for errors.
  ///   - workers: the number of threads that call `answer`. 0: the server's own thread does, which then must be quick.
  ///   - lane: requests that have other threads than these.
  /// - Throws: if the port is in use, or the address does not belong to this machine.
  package init(
    address: String, port: Int, variable: String = "HTTP_PORT", limits: HTTPLimits = HTTPLimits(), workers: Int,
    lane: HTTPLane? = nil, answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(HTTPServerError) {
    let (socket, bound): (CInt, Int)
    do throws(BindError) { (socket, bound) = try Self.listen(address, port) } catch {
      throw HTTPServerError(address: address, port: port, variable: variable, code: error.code)
    }
    let queue = BoundedQueue<Job>(capacity: limits.connections)
    let slowQueue = BoundedQueue<Job>(capacity: limits.connections)
    let loop = HTTPLoop(socket: socket, limits: limits) { loop, request, connection in
      let isSlow = lane?.accepts(request) == true
      if workers == 0, !isSlow {
        loop.answer(answer(request), to: connection)
      } else if !(isSlow ? slowQueue : queue).tryPush(Job(request: request, connection: connection, loop: loop)) {
        loop.answer(HTTPResponse(status: 503, body: "too many requests\n"), to: connection)
      }
    }
    guard let loop else { throw HTTPServerError(address: address, port: port, variable: variable, code: errno) }
    self.port = bound
    self.loop = loop
    queues = [queue, slowQueue]
    self.workers = [("http-worker", workers, queue), ("http-slow", lane?.workers ?? 0, slowQueue)].flatMap {
      (name, count, queue) in
      (0..<count).map { number in
        BackgroundThread.start("\(name)-\(number + 1)") {
          while let job = queue.pop(timeout: nil) { job.loop.answer(answer(job.request), to: job.connection) }
        }
      }
    }
    thread = BackgroundThread.start("http") { loop.run() }
  }

  /// A server that knows paths only and answers quickly.
  /// - Parameter respond: called on the server's thread; nil means "not found".
  convenience init(
    address: String, port: Int, respond: @escaping @Sendable (HTTPRequest) -> HTTPResponse?
  ) throws(HTTPServerError) {
    try self.init(address: address, port: port, workers: 0) {
      if $0.method == .post { return HTTPResponse(notAllowed: "GET, HEAD") }
      return respond($0) ?? HTTPResponse(status: 404, body: "not found\n")
    }
  }

  /// Stops answering requests. May be called more than once.
  package func stop() {
    loop.stop()
    thread.join()
    for queue in queues { queue.close() }
    for worker in workers { worker.join() }
  }

  deinit { stop() }

  // MARK: Listening

  private struct BindError: Error { let code: CInt }

  /// - Returns: the socket, and the port that it is bound to.
  private static func listen(_ address: String, _ port: Int) throws(BindError) -> (CInt, Int) {
    var hints = addrinfo()
    (hints.ai_flags, hints.ai_socktype) = (AI_PASSIVE, Int32(SOCK_STREAM.rawValue))
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, String(port), &hints, &found) == 0, let entry = found?.pointee else {
      throw BindError(code: 0)
    }
    defer { freeaddrinfo(found) }
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(entry.ai_family, kind, 0)
    guard descriptor >= 0 else { throw BindError(code: errno) }
    var on: CInt = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
    guard bind(descriptor, entry.ai_addr, entry.ai_addrlen) == 0, Glibc.listen(descriptor, backlog) == 0,
      let bound = Self.port(of: descriptor)
    else {
      let code = errno
      close(descriptor)
      throw BindError(code: code)
    }
    return (descriptor, bound)
  }

  private static func port(of socket: Int32) -> Int? {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    guard result == 0 else { return nil }
    return withUnsafePointer(to: &address) { address in
      // The port is at the same offset in both address families.
      address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
    }
  }
}
