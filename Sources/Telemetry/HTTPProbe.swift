internal import CEvent
import Glibc
import Platform

/// Sends GET requests, as a container's health check does if there is no curl. Several servers are asked at once. An
/// answer that does not arrive in time, or is too long, is none, whatever the server sends.
package enum HTTPProbe {
  package struct Answer: Equatable, Sendable {
    package let status: Int
    package let body: String

    package init(status: Int, body: String) {
      self.status = status
      self.body = body
    }
  }

  /// What is asked, and where.
  package struct Target: Equatable, Sendable {
    /// A numeric address: names are not resolved here, because that may take long.
    package let address: String
    package let port: Int
    package let path: String

    package init(address: String, port: Int, path: String) {
      self.address = address
      self.port = port
      self.path = path
    }
  }

  /// Asks a server on this machine.
  /// - Parameter seconds: the timeout.
  /// - Returns: nil if there is no answer.
  package static func get(port: Int, path: String, seconds: Int) -> Answer? {
    get([Target(address: "127.0.0.1", port: port, path: path)], timeout: .seconds(seconds), atMost: 64 << 20)[0]
  }

  /// Asks several servers at the same time.
  /// - Parameters:
  ///   - timeout: for all of them together.
  ///   - limit: the bytes of one answer.
  /// - Returns: one answer per target; nil if there is none.
  package static func get(_ targets: [Target], timeout: Duration, atMost limit: Int) -> [Answer?] {
    guard let base = event_base_new() else { return targets.map { _ in nil } }
    defer { event_base_free(base) }
    let requests = targets.map { _ in Request(base: base) }
    let connections = zip(targets, requests).map { send($0, $1, base, limit) }
    defer { for connection in connections where connection != nil { evhttp_connection_free(connection) } }
    let deadline = MonotonicClock.now + timeout
    // Each answer interrupts the loop. Otherwise it would also wait for the ends of the connections.
    while requests.contains(where: { !$0.isDone }) {
      let rest = deadline - .now
      guard rest > .zero else { break }
      var time = timeval(
        tv_sec: Int(rest.components.seconds), tv_usec: Int(rest.components.attoseconds / 1_000_000_000_000))
      guard event_base_loopexit(base, &time) == 0, event_base_dispatch(base) >= 0 else { break }
    }
    return withExtendedLifetime(requests) { requests.map(\.answer) }
  }

  private final class Request {
    let base: OpaquePointer
    var isDone = false
    var answer: Answer?

    init(base: OpaquePointer) { self.base = base }
  }

  private static func send(_ target: Target, _ request: Request, _ base: OpaquePointer, _ limit: Int) -> OpaquePointer?
  {
    request.isDone = true
    guard let port = UInt16(exactly: target.port),
      let connection = evhttp_connection_base_new(base, nil, target.address, port)
    else { return nil }
    evhttp_connection_set_max_headers_size(connection, 16 << 10)
    evhttp_connection_set_max_body_size(connection, limit)
    // A server may send any number of responses such as 100 Continue, faster than they are read.
    bufferevent_setwatermark(
      evhttp_connection_get_bufferevent(connection), Int16(EV_READ), 0, limit + (16 << 10))
    let sent = evhttp_request_new(
      { sent, context in
        let request = Unmanaged<Request>.fromOpaque(context!).takeUnretainedValue()
        request.isDone = true
        event_base_loopbreak(request.base)
        // Without a request, there was no connection; with status 0, there was no answer.
        guard let sent, evhttp_request_get_response_code(sent) > 0 else { return }
        let buffer = evhttp_request_get_input_buffer(sent)
        var bytes = [UInt8](repeating: 0, count: evbuffer_get_length(buffer))
        evbuffer_remove(buffer, &bytes, bytes.count)
        request.answer = Answer(
          status: Int(evhttp_request_get_response_code(sent)), body: String(decoding: bytes, as: UTF8.self))
      }, Unmanaged.passUnretained(request).toOpaque())
    guard let sent else { return connection }
    let isIPv6 = target.address.utf8.contains(UInt8(ascii: ":"))
    evhttp_add_header(
      evhttp_request_get_output_headers(sent), "Host", isIPv6 ? "[\(target.address)]" : target.address)
    // The server need not wait for another request.
    evhttp_add_header(evhttp_request_get_output_headers(sent), "Connection", "close")
    request.isDone = false
    // A failure here has called the request's function, or has freed the request.
    if evhttp_make_request(connection, sent, EVHTTP_REQ_GET, target.path) != 0 { request.isDone = true }
    return connection
  }
}
