import TestSupport

@testable import Page
@testable import Platform
@testable import Telemetry

/// Asks the page's handler, as a browser of this machine does.
struct PageClient {
  let handler: PageHandler
  let feed: PictureFeed
  let log = LogLines()
  let stop = StopFlag()

  init(
    _ output: any PictureOutput, hosts: [String] = [], checks: Checks? = nil, sides: SideWatch? = nil,
    failures: FailureRequests? = nil, patience: Duration = .zero
  ) {
    feed = PictureFeed(output, input: "images", log: log.log, interval: .milliseconds(5))
    handler = PageHandler(
      output, hosts: hosts, feed: feed, checks: checks, sides: sides, failures: failures, patience: patience,
      log: log.log, stop: stop)
  }

  /// The page of a folder.
  init(
    _ folder: String, hosts: [String] = [], checks: Checks? = nil, sides: SideWatch? = nil,
    failures: FailureRequests? = nil, patience: Duration = .zero
  ) {
    self.init(
      FolderPictures(folder), hosts: hosts, checks: checks, sides: sides, failures: failures, patience: patience)
  }

  struct NoAnswer: Error {}

  struct Answer {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
    /// The object that the body is.
    var json: JSONLine? { JSONLine(text) }
  }

  func get(_ path: String, host: String = "localhost:8080", method: String = "GET", _ headers: [String: String] = [:])
    throws -> Answer
  {
    let lines = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
    let response = handler.answer(
      try HTTPRequest(head: Array("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n\(lines)\r\n".utf8)))
    var body: [UInt8] = []
    switch response.body {
    case .bytes(let bytes): body = bytes
    case .file(let file, let offset, let count):
      body = [UInt8](repeating: 0, count: count)
      _ = try body.withUnsafeMutableBytes { try file.read(into: $0, at: offset) }
    case .events: break
    }
    let named = response.headers.map { ($0.name.lowercased(), $0.value) }
    return Answer(
      status: response.status, headers: Dictionary(named) { first, second in first + " AND " + second }, body: body)
  }

  func verify(_ id: Int64) throws -> JSONLine? {
    try get("/api/pictures/\(id)/verify", ["X-Image-Pipeline": "1"]).json
  }
}
