import Glibc
package import Platform

/// The response to a request.
package struct HTTPResponse: Sendable {
  enum Body: Sendable {
    case bytes([UInt8])
    /// A part of a file. The kernel copies it to the connection (sendfile).
    case file(File, offset: Int, count: Int)
    /// Events for as long as the client stays.
    case events(EventStream)
  }

  package var status: Int
  package var headers: [(name: String, value: String)]
  let body: Body

  package init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: String) {
    self.init(status: status, contentType: contentType, bytes: Array(body.utf8))
  }

  package init(status: Int = 200, contentType: String, bytes: [UInt8]) {
    self.status = status
    headers = [("Content-Type", contentType)]
    body = .bytes(bytes)
  }

  /// Refuses a method.
  /// - Parameter methods: those that are allowed.
  package init(notAllowed methods: String) {
    self.init(status: 405, body: "method not allowed\n")
    headers.append(("Allow", methods))
  }

  /// Server-sent events (html.spec.whatwg.org, 9.2).
  package init(_ stream: EventStream) {
    status = 200
    headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
    body = .events(stream)
  }

  /// Tells the client that it has this already: see `HTTPRequest.knows`.
  /// - Parameter tag: the entity tag, without quotes.
  package init(unchanged tag: String, contentType: String) {
    status = 304
    headers = [("ETag", "\"\(tag)\""), ("Accept-Ranges", "bytes"), ("Content-Type", contentType)]
    body = .bytes([])
  }

  /// A file, or what the request wants of it: a range, or only to know that it did not change.
  /// - Parameters:
  ///   - file: a regular file. It may grow or shrink meanwhile; then the response ends early.
  ///   - size: its size in bytes.
  ///   - tag: the entity tag, without quotes. It changes with the content.
  package init(_ file: File, size: Int, tag: String, contentType: String, to request: HTTPRequest) {
    if request.knows(tag) {
      self = HTTPResponse(unchanged: tag, contentType: contentType)
      return
    }
    let tag = "\"\(tag)\""
    headers = [("ETag", tag), ("Accept-Ranges", "bytes"), ("Content-Type", contentType)]
    // A range of a file that has changed since would be put together with the wrong rest.
    let isSame = request.header("If-Range").map { $0 == tag } ?? true
    let range = isSame && request.method == .get ? request.header("Range").map { HTTPRange($0, size: size) } : nil
    switch range ?? .whole {
    case .whole: (status, body) = (200, .file(file, offset: 0, count: size))
    case .part(let offset, let count):
      headers.append(("Content-Range", "bytes \(offset)-\(offset + count - 1)/\(size)"))
      (status, body) = (206, .file(file, offset: offset, count: count))
    case .none:
      headers.append(("Content-Range", "bytes */\(size)"))
      (status, body) = (416, .bytes([]))
    }
  }

  /// The number of bytes in the body; nil if nobody knows.
  var length: Int? {
    switch body {
    case .bytes(let bytes): bytes.count
    case .file(_, _, let count): count
    case .events: nil
    }
  }

  /// The status line and the headers, with the empty line after them.
  func head(isPersistent: Bool, now: Int64 = WallClock.milliseconds) -> [UInt8] {
    var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\nDate: \(Self.date(now))\r\n"
    for (name, value) in headers {
      // A line end in a value would begin another header.
      let value = String(decoding: value.utf8.filter { $0 >= 0x20 && $0 != 0x7F }, as: UTF8.self)
      head += "\(name): \(value)\r\n"
    }
    if let length, status != 304, status != 204 { head += "Content-Length: \(length)\r\n" }
    if !isPersistent { head += "Connection: close\r\n" }
    return Array((head + "\r\n").utf8)
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 409: "Conflict"
    case 410: "Gone"
    case 413: "Content Too Large"
    case 416: "Range Not Satisfiable"
    case 421: "Misdirected Request"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: "Status"
    }
  }

  /// As HTTP wants it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func date(_ milliseconds: Int64) -> String {
    var (time, parts) = (time_t(milliseconds / 1_000), tm())
    gmtime_r(&time, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}
