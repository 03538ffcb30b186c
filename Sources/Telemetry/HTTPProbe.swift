internal import CEvent

/// Sends one GET request to a server on this machine, as a container's health check does if there is no curl.
package enum HTTPProbe {
  package struct Answer: Equatable, Sendable {
    package let status: Int
    package let body: String
  }

  private final class Result {
    let base: OpaquePointer
    var answer: Answer?

    init(base: OpaquePointer) { self.base = base }
  }

  /// - Parameter seconds: the timeout.
  /// - Returns: nil if there is no answer.
  package static func get(port: Int, path: String, seconds: Int32) -> Answer? {
    guard let base = event_base_new() else { return nil }
    defer { event_base_free(base) }
    guard let connection = evhttp_connection_base_new(base, nil, "127.0.0.1", UInt16(port)) else { return nil }
    defer { evhttp_connection_free(connection) }
    evhttp_connection_set_timeout(connection, seconds)
    let result = Result(base: base)
    let request = evhttp_request_new(
      { request, context in
        let result = Unmanaged<Result>.fromOpaque(context!).takeUnretainedValue()
        // Otherwise the loop would also wait for the end of the connection.
        defer { event_base_loopbreak(result.base) }
        // Without a request, there was no connection; with status 0, there was no answer in time.
        guard let request, evhttp_request_get_response_code(request) > 0 else { return }
        let buffer = evhttp_request_get_input_buffer(request)
        var bytes = [UInt8](repeating: 0, count: evbuffer_get_length(buffer))
        evbuffer_remove(buffer, &bytes, bytes.count)
        result.answer = Answer(
          status: Int(evhttp_request_get_response_code(request)), body: String(decoding: bytes, as: UTF8.self))
      }, Unmanaged.passUnretained(result).toOpaque())
    guard let request else { return nil }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Host", "127.0.0.1")
    guard evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) == 0 else { return nil }
    event_base_dispatch(base)
    return withExtendedLifetime(result) { result.answer }
  }
}
