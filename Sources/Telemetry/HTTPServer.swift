internal import CEvent
import Glibc
import Platform

/// An answer to GET.
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

/// A small HTTP server, for those who look after the process: probes, Prometheus, a person with a browser. GET and HEAD
/// alone, answered one after the other on one thread; everything else is libevent's.
package final class HTTPServer: Sendable {
  /// The version of libevent that runs: `2.1.12-stable`.
  package static var libraryVersion: String { String(cString: event_get_version()) }

  /// The one that was asked for, or that the system chose for 0.
  let port: Int
  private let thread: BackgroundThread
  /// The loop ends when this end of a pipe is closed.
  private let leash: Leash

  /// Longer than any honest request takes, in seconds.
  private static let timeout: Int32 = 10
  private static let largestHeader = 8 << 10

  /// Starts to answer.
  /// - Parameters:
  ///   - address: numeric: `0.0.0.0` for all of IPv4, `::` for all of both.
  ///   - port: 0: any free one.
  ///   - respond: called on the server's thread, with the path alone; nil is "not found".
  /// - Throws: where the port is in use or the address not one of this machine.
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

  /// Answers nobody any more. May be called more than once.
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
      // The port has the same place in both families.
      address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
    }
  }
}

package struct HTTPServerError: Error, CustomStringConvertible {
  let address: String
  let port: Int
  let code: Int32

  package var description: String {
    let (reason, fix) =
      switch code {
      case EADDRINUSE: (words, "another program has this port: set HTTP_PORT to another one")
      case EACCES: (words, "set HTTP_PORT to one above 1023")
      case EMFILE: (words, "raise the limit of open files (ulimit -n)")
      // libevent does not pass on what the resolver says.
      case 0: ("no address of this machine", Self.addresses)
      default: (words, Self.addresses)
      }
    return "cannot listen on \(address):\(port) (\(reason)): \(fix)"
  }

  private static let addresses =
    "set HTTP_ADDRESS to one of this machine's: 0.0.0.0 and :: are all, 127.0.0.1 is loopback"

  private var words: String {
    String(cString: strerror(code))
  }
}
