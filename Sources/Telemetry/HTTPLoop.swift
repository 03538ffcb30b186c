internal import CEvent
import Glibc
import Synchronization

/// The work of a server's thread. Once it runs, only that thread uses the objects of libevent.
final class Loop: @unchecked Sendable {
  private let base: OpaquePointer
  private let http: OpaquePointer
  /// Readable once its other end is closed.
  private let end: Int32
  private let respond: @Sendable (String) -> HTTPResponse?

  init(base: OpaquePointer, http: OpaquePointer, end: Int32, respond: @escaping @Sendable (String) -> HTTPResponse?) {
    self.base = base
    self.http = http
    self.end = end
    self.respond = respond
  }

  /// Serves requests until the leash is closed.
  func run() {
    let context = Unmanaged.passUnretained(self).toOpaque()
    evhttp_set_gencb(
      http, { request, context in Unmanaged<Loop>.fromOpaque(context!).takeUnretainedValue().answer(request!) },
      context)
    let ending = event_new(
      base, end, Int16(EV_READ),
      { _, _, context in
        event_base_loopbreak(Unmanaged<Loop>.fromOpaque(context!).takeUnretainedValue().base)
      }, context)
    event_add(ending, nil)
    event_base_dispatch(base)
    event_free(ending)
    evhttp_free(http)
    event_base_free(base)
    close(end)
  }

  private func answer(_ request: OpaquePointer) {
    let path = evhttp_request_get_evhttp_uri(request).flatMap { evhttp_uri_get_path($0) }.map { String(cString: $0) }
    let response = path.flatMap(respond) ?? HTTPResponse(status: 404, body: "not found\n")
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", response.contentType)
    let buffer = evbuffer_new()
    defer { evbuffer_free(buffer) }
    if evhttp_request_get_command(request) == EVHTTP_REQ_HEAD {
      // libevent would also send the body.
      let length = String(response.body.utf8.count)
      evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length)
    } else {
      var body = response.body
      _ = body.withUTF8 { evbuffer_add(buffer, $0.baseAddress, $0.count) }
    }
    evhttp_send_reply(request, Int32(response.status), nil, buffer)
  }
}

/// One end of a pipe, which is closed only once.
final class Leash: Sendable {
  private let descriptor: Mutex<Int32>

  init(end: Int32) { descriptor = Mutex(end) }

  func close() {
    descriptor.withLock {
      if $0 >= 0 { Glibc.close($0) }
      $0 = -1
    }
  }
}
