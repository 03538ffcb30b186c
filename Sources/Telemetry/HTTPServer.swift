internal import CEvent
import Glibc
import Platform

/// The response to a GET or HEAD request.
package struct HTTPResponse: Sendable {
  var status: Int
  var contentType: String
  var body: String

  init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: String) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }
}

/// A small HTTP server for monitoring: probes, Prometheus, a person with a browser. It answers only GET and HEAD, one
/// request after the other on one thread; libevent does everything else.
package final class HTTPServer: Sendable {
  /// The version of the loaded libevent: `2.1.12-stable`.
  package static var libraryVersion: String { String(cString: event_get_version()) }

  /// The requested port, or the one that the system chose for 0.
  let port: Int
  private let thread: BackgroundThread
  /// The loop stops when this end of a pipe is closed.
  private let leash: Leash

  /// Longer than any legitimate request takes, in seconds.
  private static let timeout: Int32 = 10
  private static let largestHeader = 8 << 10

  /// Starts to answer requests.
  /// - Parameters:
  ///   - address: numeric; `0.0.0.0` for all of IPv4, `::` for all of IPv4 and IPv6.
  ///   - port: 0 for any free one.
  ///   - respond: called on the server's thread, with only the path; nil means "not found".
  /// - Throws: if the port is in use, or the address does not belong to this machine.
  init(address: String, port: Int, respond: @escaping @Sendable (String) -> HTTPResponse?)
    throws(HTTPServerError)
  {
    guard let base = event_base_new() else { throw HTTPServerError(address: address, port: port, code: ENOMEM) }
    guard let http = evhttp_new(base) else {
      event_base_free(base)
      throw HTTPServerError(address: address, port: port, code: ENOMEM)
    }
    errno = 0
    var ends: [Int32] = [-1, -1]
    guard let socket = evhttp_bind_socket_with_handle(http, address, UInt16(port)),
      let bound = Self.port(of: evhttp_bound_socket_get_fd(socket)), pipe(&ends) == 0
    else {
      let code = errno
      evhttp_free(http)
      event_base_free(base)
      throw HTTPServerError(address: address, port: port, code: code)
    }
    self.port = bound
    leash = Leash(end: ends[1])
    evhttp_set_timeout(http, Self.timeout)
    evhttp_set_max_headers_size(http, Self.largestHeader)
    evhttp_set_max_body_size(http, 0)
    evhttp_set_allowed_methods(http, UInt16(EVHTTP_REQ_GET.rawValue | EVHTTP_REQ_HEAD.rawValue))
    let loop = Loop(base: base, http: http, end: ends[0], respond: respond)
    thread = BackgroundThread.start("http") { loop.run() }
  }

  /// Stops answering requests. May be called more than once.
  func stop() {
    leash.close()
    thread.join()
  }

  deinit { stop() }

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

package struct HTTPServerError: NamedError, CustomStringConvertible {
  let address: String
  let port: Int
  /// The `errno`; 0 if the address is none of this machine.
  let code: Int32

  package var name: String { SystemError("listen on", address, code: code == 0 ? EADDRNOTAVAIL : code).name }

  package var description: String {
    let (reason, fix) =
      switch code {
      case EADDRINUSE: (words, "another program uses this port: set another HTTP_PORT")
      case EACCES: (words, "set HTTP_PORT to a port above 1023")
      case EMFILE: (words, "raise the limit of open files (ulimit -n)")
      // libevent does not pass on the resolver's error.
      case 0: ("not an address of this machine", Self.addresses)
      default: (words, Self.addresses)
      }
    return "cannot listen on \(address):\(port) (\(reason)): \(fix)"
  }

  private static let addresses =
    "set HTTP_ADDRESS to an address of this machine: 0.0.0.0 or :: for all, 127.0.0.1 for this machine only"

  private var words: String {
    String(cString: strerror(code))
  }
}
