import Platform

@testable import Telemetry

/// The end of a request's head is where a simple search finds it. A request that is accepted has no line ends in its
/// parts, and reads the same when it is written again. A range is within its file.
func fuzzRequest(_ bytes: UnsafeRawBufferPointer) {
  let end = HTTPHead.end(bytes)
  require(end == ReferenceHead.end(Array(bytes)), "the head ends at \(String(describing: end))")
  guard let request = try? HTTPRequest(head: bytes[..<(end ?? bytes.count)]) else { return }
  require(
    request.path.utf8.first == UInt8(ascii: "/") && isPlain(request.path) && !request.path.contains(" "), request.path)
  let names = ["host", "range", "x", "authorization", "last-event-id", "if-none-match"]
  let headers = names.compactMap { name in request.header(name).map { (name, $0) } }
  for (name, value) in headers { require(isPlain(value), "\(name): \(value)") }
  requireRoundTrip(request, headers)
  for size in [0, 1, 10, Int.max] {
    guard case .part(let offset, let count) = HTTPRange(request.header("range") ?? "", size: size) else { continue }
    require(offset >= 0 && count > 0 && offset <= size - count, "\(offset), \(count) of \(size)")
  }
}

/// Whether a text may be in a line of a response.
private func isPlain(_ text: String) -> Bool {
  text.unicodeScalars.allSatisfy { $0 == "\t" || $0.value >= 0x20 && $0.value != 0x7F }
}

private func requireRoundTrip(_ request: HTTPRequest, _ headers: [(name: String, value: String)]) {
  let lines = headers.map { "\($0.name): \($0.value)\r\n" }.joined()
  let text = "\(request.method.rawValue) \(request.path) HTTP/1.1\r\n\(lines)\r\n"
  guard let again = try? HTTPRequest(head: Array(text.utf8)) else {
    return require(false, "refused when it is written again: \(text)")
  }
  require(again.method == request.method && again.path == request.path, text)
  for (name, value) in headers {
    // An empty line of several with one name leaves a blank at the end.
    let ends = value.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
    require(again.header(name) == String(ends), "\(name): \(value)")
  }
}

private enum ReferenceHead {
  /// After the first empty line that follows one with text.
  static func end(_ bytes: [UInt8]) -> Int? {
    var position = 0
    var hasText = false
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
      position += line.count + 1
      let isEmpty = line.isEmpty || Array(line) == [0x0D]
      if isEmpty && hasText { return position }
      hasText = hasText || !isEmpty
    }
    return nil
  }
}
