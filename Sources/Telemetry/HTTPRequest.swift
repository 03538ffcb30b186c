/// A request: method, path, query and headers. It has no body, not even a POST request.
package struct HTTPRequest: Sendable {
  package enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
  }

  package let method: Method
  /// As it was sent, with its percent-encodings.
  package let path: String
  /// Decoded. Values that are not UTF-8 are left out; of several with one name, the last one counts.
  package let query: [String: String]
  /// By their names in lower case.
  private let headers: [String: String]
  /// Whether the client wants to send another request on the same connection.
  let isPersistent: Bool

  package func header(_ name: String) -> String? { headers[name.lowercased()] }

  /// Whether the client has what this entity tag, given without quotes, stands for.
  package func knows(_ tag: String) -> Bool {
    header("If-None-Match").map { HTTPRange.isListed("\"\(tag)\"", in: $0) } ?? false
  }

  /// Headers beyond this number are an error of the client.
  private static let mostHeaders = 64

  /// - Parameter head: the lines up to the empty one, each with its end.
  /// - Throws: the status that refuses the request.
  init(head: some Sequence<UInt8>) throws(Refusal) {
    var lines = Array(head).split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
      line.last == 0x0D ? line.dropLast() : line
    }
    lines.removeAll { $0.isEmpty }
    guard let first = lines.first, lines.allSatisfy({ $0.allSatisfy(Self.isText) }) else { throw Refusal(status: 400) }
    let words = first.split(separator: 0x20, omittingEmptySubsequences: false)
    guard words.count == 3 else { throw Refusal(status: 400) }
    let version = String(decoding: words[2], as: UTF8.self)
    guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
      throw Refusal(status: version.hasPrefix("HTTP/") ? 505 : 400)
    }
    headers = try Self.headers(lines.dropFirst())
    // A body is neither wanted nor read, so its bytes cannot be taken for the next request.
    if headers["transfer-encoding"] != nil || headers["content-length", default: "0"] != "0" {
      throw Refusal(status: 413)
    }
    guard let method = Method(rawValue: String(decoding: words[0], as: UTF8.self)) else { throw Refusal(status: 405) }
    self.method = method
    let target = words[1].prefix { $0 != UInt8(ascii: "#") }
    guard target.first == UInt8(ascii: "/") else { throw Refusal(status: 400) }
    let parts = target.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
    path = String(decoding: parts[0], as: UTF8.self)
    query = parts.count > 1 ? Self.query(parts[1]) : [:]
    isPersistent = version == "HTTP/1.1" && headers["connection"]?.lowercased().contains("close") != true
  }

  /// The status that a faulty request is answered with.
  struct Refusal: Error, Equatable { let status: Int }

  // MARK: Parts

  private static func isText(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

  /// The characters of a method or a header's name (RFC 9110, section 5.6.2).
  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  private static func headers(_ lines: ArraySlice<ArraySlice<UInt8>>) throws(Refusal) -> [String: String] {
    guard lines.count <= mostHeaders else { throw Refusal(status: 431) }
    var headers: [String: String] = [:]
    for line in lines {
      // A space before the colon, or a line that continues the one before, is how requests are smuggled.
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
        line[..<colon].allSatisfy(isToken)
      else { throw Refusal(status: 400) }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
      let value = line[line.index(after: colon)...].drop(while: isBlank).reversed().drop(while: isBlank).reversed()
      let text = String(decoding: value, as: UTF8.self)
      guard let known = headers[name] else {
        headers[name] = text
        continue
      }
      if name == "host" || name == "content-length" { throw Refusal(status: 400) }
      headers[name] = known + ", " + text
    }
    return headers
  }

  private static func query(_ bytes: ArraySlice<UInt8>) -> [String: String] {
    var query: [String: String] = [:]
    for item in bytes.split(separator: UInt8(ascii: "&")) {
      let parts = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = decoded(parts[0]), let value = decoded(parts.count > 1 ? parts[1] : []) else { continue }
      query[name] = value
    }
    return query
  }

  /// Undoes the encoding of forms; nil if the result is not UTF-8.
  private static func decoded(_ bytes: ArraySlice<UInt8>) -> String? {
    func digit(_ byte: UInt8) -> UInt8? { Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) } }
    var result: [UInt8] = []
    var rest = bytes
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2, let high = digit(rest[rest.startIndex]),
        let low = digit(rest[rest.startIndex + 1])
      {
        result.append(high << 4 | low)
        rest = rest.dropFirst(2)
      } else {
        result.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
      }
    }
    return String(validating: result, as: UTF8.self)
  }
}

/// Finds the end of a request's head in what a connection has received so far.
enum HTTPHead {
  /// The number of bytes up to and including the empty line; nil if it has not arrived.
  static func end(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var lineStart = 0
    var hasText = false
    for (index, byte) in bytes.enumerated() where byte == 0x0A {
      let isEmpty = index == lineStart || (index == lineStart + 1 && bytes[lineStart] == 0x0D)
      // Empty lines before the request are ignored (RFC 9112, section 2.2).
      if isEmpty, hasText { return index + 1 }
      hasText = hasText || !isEmpty
      lineStart = index + 1
    }
    return nil
  }
}
