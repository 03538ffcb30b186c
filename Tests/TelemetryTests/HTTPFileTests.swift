import Platform
import TestSupport
import Testing

@testable import Telemetry

/// Files that are sent over HTTP.
@Suite struct HTTPFileTests {
  private let folder = TestFolder()
  private let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  private func server() throws -> HTTPServer {
    let path = try folder.write("file", content)
    return try HTTPServer(address: "127.0.0.1", port: 0, workers: 1) { request in
      guard let file = try? File.open(path, .read), let size = try? file.status().size else {
        return HTTPResponse(status: 404, body: "")
      }
      return HTTPResponse(file, size: size, tag: "v1", contentType: "image/x", to: request)
    }
  }

  @Test("a file arrives whole") func wholeFile() throws {
    let server = try server()
    defer { server.stop() }
    let answer = try #require(try RawResponse.get(server.port, "/"))
    #expect(answer.status == 200 && answer.body == content)
    #expect(answer.headers["etag"] == "\"v1\"" && answer.headers["accept-ranges"] == "bytes")
    #expect(answer.headers["content-length"] == "300000" && answer.headers["content-type"] == "image/x")
  }

  @Test("HEAD has the headers and no body") func headHasNoBody() throws {
    let server = try server()
    defer { server.stop() }
    let answer = try #require(try RawResponse.get(server.port, "/", method: "HEAD", ["Range": "bytes=0-9"]))
    #expect(answer.status == 200 && answer.body == [] && answer.headers["content-length"] == "300000")
  }

  @Test("a range has its bytes and its place") func range() throws {
    let server = try server()
    defer { server.stop() }
    let answer = try #require(try RawResponse.get(server.port, "/", ["Range": "bytes=1000-250999"]))
    #expect(answer.status == 206 && answer.body == Array(content[1_000..<251_000]))
    #expect(answer.headers["content-range"] == "bytes 1000-250999/300000")
    let none = try #require(try RawResponse.get(server.port, "/", ["Range": "bytes=300000-"]))
    #expect(none.status == 416 && none.headers["content-range"] == "bytes */300000")
  }

  @Test("a range of a file that has changed since is the whole file") func changedFileIsSentWhole() throws {
    let server = try server()
    defer { server.stop() }
    let same = try #require(try RawResponse.get(server.port, "/", ["Range": "bytes=0-0", "If-Range": "\"v1\""]))
    let other = try #require(try RawResponse.get(server.port, "/", ["Range": "bytes=0-0", "If-Range": "\"v0\""]))
    #expect(same.status == 206 && other.status == 200 && other.body.count == 300_000)
  }

  @Test("a file that the client has is not sent again", arguments: ["\"v1\"", "\"a\", W/\"v1\"", "*"])
  func knownFileIsNotSent(tags: String) throws {
    let server = try server()
    defer { server.stop() }
    let answer = try #require(try RawResponse.get(server.port, "/", ["If-None-Match": tags]))
    #expect(answer.status == 304 && answer.body == [] && answer.headers["content-length"] == nil)
    #expect(try RawResponse.get(server.port, "/", ["If-None-Match": "\"v2\""])?.status == 200)
  }

  @Test("several requests use one connection, one after the other") func connectionIsUsedAgain() throws {
    let server = try server()
    defer { server.stop() }
    let connection = try RawConnection(port: server.port)
    // The second and third arrive before the first is answered.
    for range in ["0-2", "3-5", "6-8"] { connection.send("GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=\(range)\r\n\r\n") }
    for start in [0, 3, 6] {
      let head = try #require(connection.read(upTo: "\r\n\r\n"))
      #expect(head.contains("bytes \(start)-\(start + 2)/300000"), "\(head)")
      // The bytes are below 128, so the text has the same length.
      #expect(content[start..<(start + 3)].allSatisfy { $0 < 0x80 })
      _ = connection.read(upTo: String(decoding: content[start..<(start + 3)], as: UTF8.self))
    }
  }

  @Test("a client that has closed its half still gets the answer") func halfClosedClientIsAnswered() throws {
    let server = try server()
    defer { server.stop() }
    let connection = try RawConnection(port: server.port)
    connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.finishSending()
    let answer = try #require(connection.readAll().flatMap { RawResponse($0) })
    #expect(answer.status == 200 && answer.body == content)
  }

  @Test("a file that shrinks ends the response, and the server goes on") func shrunkFileEndsResponse() throws {
    let server = try server()
    defer { server.stop() }
    // More than the system's buffers hold.
    try folder.write("file", [UInt8](repeating: 7, count: 30_000_000))
    let connection = try RawConnection(port: server.port, window: 4_096)
    connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    _ = try #require(connection.read(upTo: "\r\n\r\n"))
    try File.open(folder / "file", .readWrite).truncate(to: 10)
    #expect(connection.isClosed())
    #expect(try RawResponse.get(server.port, "/")?.body == [UInt8](repeating: 7, count: 10))
  }
}
