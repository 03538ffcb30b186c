import TestSupport
import Testing

@testable import Telemetry

@Suite struct HTTPRequestTests {
  private func request(_ text: String) throws -> HTTPRequest { try HTTPRequest(head: Array(text.utf8)) }

  private func status(_ text: String) -> Int? {
    do {
      _ = try HTTPRequest(head: Array(text.utf8))
      return nil
    } catch { return error.status }
  }

  @Test("method, path, query and headers are read") func partsAreRead() throws {
    let request = try request(
      "GET /a/b%2Fc?q=caf%C3%A9+noir&empty=&flag&q2=1%2 HTTP/1.1\r\nHost: x:80\r\nX-One:  a b \t\r\nx-one: c\r\n\r\n")
    #expect(request.method == .get && request.path == "/a/b%2Fc")
    #expect(request.query == ["q": "café noir", "empty": "", "flag": "", "q2": "1%2"])
    #expect(request.header("host") == "x:80" && request.header("X-ONE") == "a b, c")
    #expect(request.header("none") == nil && request.isPersistent)
  }

  @Test("a query that is not UTF-8 is left out") func queryMustBeText() throws {
    #expect(try request("GET /?a=%FF&b=ok HTTP/1.1\r\n\r\n").query == ["b": "ok"])
  }

  @Test("a connection stays open unless the client wants otherwise") func persistence() throws {
    #expect(try request("HEAD / HTTP/1.1\r\n\r\n").isPersistent)
    #expect(try !request("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").isPersistent)
    #expect(try !request("GET / HTTP/1.0\r\n\r\n").isPersistent)
  }

  @Test("a POST request may say that it has no body, and may not have one") func postHasNoBody() throws {
    #expect(try request("POST /x?a=b HTTP/1.1\r\nContent-Length: 0\r\n\r\n").method == .post)
    #expect(try request("POST /x HTTP/1.1\r\n\r\n").method == .post)
    for header in ["Content-Length: 1", "Content-Length: 00", "Content-Length: +0", "Transfer-Encoding: chunked"] {
      #expect(status("POST /x HTTP/1.1\r\n\(header)\r\n\r\n") == 413, "\(header)")
    }
    #expect(status("POST /x HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n") == 400)
  }

  @Test("line ends without a carriage return are accepted") func plainLineEnds() throws {
    #expect(try request("GET /x HTTP/1.0\nHost: a\n\n").header("host") == "a")
  }

  @Test(
    "a faulty request is refused with its status",
    arguments: [
      ("nonsense\r\n\r\n", 400), ("GET /\r\n\r\n", 400), ("GET  / HTTP/1.1\r\n\r\n", 400), ("\r\n\r\n", 400),
      ("GET / HTTP/2.0\r\n\r\n", 505), ("GET http://x/ HTTP/1.1\r\n\r\n", 400), ("GET * HTTP/1.1\r\n\r\n", 400),
      ("PUT / HTTP/1.1\r\n\r\n", 405), ("post / HTTP/1.1\r\n\r\n", 405), ("get / HTTP/1.1\r\n\r\n", 405),
      ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 413), ("GET / HTTP/1.1\r\nContent-Length: -0\r\n\r\n", 413),
      ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
      ("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 7\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400), ("GET / HTTP/1.1\r\n: b\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 400), ("GET / HTTP/1.1\r\nA: b\rHost: c\r\n\r\n", 400),
      ("GET /\u{7F} HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nA\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 65) + "\r\n", 431),
    ])
  func faultsAreRefused(text: String, expected: Int) { #expect(status(text) == expected) }

  @Test("changed and cut requests are read or refused, and nothing else") func mutations() {
    let valid = Array("GET /a?b=%41&c HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\nConnection: close\r\n\r\n".utf8)
    var numbers = SeededNumbers.printed()
    for _ in 0..<20_000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...6, using: &numbers) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &numbers)
        switch Int.random(in: 0...3, using: &numbers) {
        case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &numbers)
        case 1: bytes.removeSubrange(place...)
        case 2: bytes.insert(contentsOf: bytes[..<place], at: place)
        default: bytes.remove(at: place)
        }
      }
      guard let end = bytes.withUnsafeBytes({ HTTPHead.end($0) }) else { continue }
      #expect(end <= bytes.count)
      guard let request = try? HTTPRequest(head: bytes[..<end]) else { continue }
      #expect(request.path.hasPrefix("/"))
      if let range = request.header("Range"), case .part(let offset, let count) = HTTPRange(range, size: 100) {
        #expect(offset >= 0 && count > 0 && offset + count <= 100)
      }
    }
  }

  @Test("a head ends with its empty line") func headEnds() {
    func end(_ text: String) -> Int? { Array(text.utf8).withUnsafeBytes { HTTPHead.end($0) } }
    #expect(end("") == nil && end("GET / HTTP/1.1\r\nA: b\r\n") == nil)
    #expect(end("GET / HTTP/1.1\r\nA: b\r\n\r\nmore") == 24)
    #expect(end("GET / HTTP/1.1\nA: b\n\nmore") == 21)
    // Empty lines before a request belong to nothing.
    #expect(end("\r\n\r\n") == nil && end("\r\nGET / HTTP/1.1\r\n\r\n") == 20)
  }

  @Test(
    "a range is the part that the header asks for",
    arguments: [
      ("bytes=0-9", HTTPRange.part(offset: 0, count: 10)), ("bytes=90-", .part(offset: 90, count: 10)),
      ("bytes=-5", .part(offset: 95, count: 5)), ("bytes=-500", .part(offset: 0, count: 100)),
      ("bytes=99-200", .part(offset: 99, count: 1)), ("bytes=100-", .none), ("bytes=100-200", .none),
      ("bytes=-0", .none), ("bytes=5-4", .whole), ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole),
      ("bytes=0-1,3-4", .whole), ("lines=0-1", .whole), ("bytes=+1-2", .whole),
      ("bytes=99999999999999999999-", .whole), ("bytes=0-99999999999999999999", .whole),
    ])
  func ranges(header: String, expected: HTTPRange) { #expect(HTTPRange(header, size: 100) == expected) }

  @Test("an empty file has no ranges") func emptyFileHasNoRanges() {
    #expect(HTTPRange("bytes=0-", size: 0) == .none && HTTPRange("bytes=-1", size: 0) == .none)
  }

  @Test("a date is written as HTTP wants it") func dates() {
    #expect(HTTPResponse.date(784_111_777_000) == "Sun, 06 Nov 1994 08:49:37 GMT")
  }

  @Test("a header's value cannot begin another header") func valuesAreOneLine() {
    var response = HTTPResponse(body: "")
    response.headers.append(("X-Name", "a\r\nSet-Cookie: b\0"))
    let head = String(decoding: response.head(isPersistent: true, now: 0), as: UTF8.self)
    #expect(head.contains("X-Name: aSet-Cookie: b\r\n"))
  }
}
