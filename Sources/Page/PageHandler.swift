import Output
import Platform
import Synchronization
import Telemetry
import Wire

/// Answers the requests of browsers. Called from several threads at once.
final class PageHandler: Sendable {
  private let output: String
  private let guardian: PageGuard
  private let feed: PictureFeed
  private let checks: Checks?
  private let history: PictureHistory?
  /// nil if no sides are configured.
  private let sides: SideWatch?
  private let stop: StopFlag
  private let log: Log
  private let catalog: Mutex<PictureCatalog>
  /// nil: the page does not show failures.
  private let failures: FailureRequests?
  private let failuresSaid = Repetitions(interval: .seconds(30))
  /// How long a file that differs may wait for its row.
  private let patience: Duration
  /// One check at a time: each reads a whole file.
  private let verifying = Gate(limit: 1)

  private static let mostPictures = 200
  private static let mostLabels = 500

  init(
    output: String, hosts: [String], feed: PictureFeed, checks: Checks? = nil, history: PictureHistory? = nil,
    sides: SideWatch? = nil, failures: FailureRequests? = nil, patience: Duration = .seconds(2), log: Log,
    stop: StopFlag
  ) {
    self.output = output
    self.failures = failures
    self.feed = feed
    self.checks = checks
    self.history = history
    self.sides = sides
    self.patience = patience
    self.log = log
    self.stop = stop
    guardian = PageGuard(hosts: hosts)
    catalog = Mutex(PictureCatalog(output: output))
  }

  func answer(_ request: HTTPRequest) -> HTTPResponse {
    if let refusal = guardian.refusal(of: request) { return PageGuard.protect(refusal, at: request.path) }
    let response: HTTPResponse
    do { response = try route(request) } catch {
      if let unsaid = failuresSaid.note("\(error)") {
        log.warning(
          event: "page_request_failed", "a request failed: \(error)",
          ["error": .name(of: error), "suppressed": .unlessZero(unsaid)])
      }
      response = .problem(503, "\(error)")
    }
    return PageGuard.protect(response, at: request.path)
  }

  private func route(_ request: HTTPRequest) throws -> HTTPResponse {
    if request.method != .post, let resource = PageResource.at(request.path) { return resource.response(to: request) }
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { String($0) }
    if parts.starts(with: ["api", "failures"]), let answer = failures?.answer(parts.dropFirst(2), request) {
      return answer
    }
    switch parts {
    case _ where parts.count == 3 && parts[0] == "api" && parts[1] == "checks": return start(parts[2], request)
    case _ where request.method == .post: return HTTPResponse(notAllowed: "GET, HEAD")
    case ["favicon.ico"]: return HTTPResponse(status: 204, contentType: "image/x-icon", bytes: [])
    // A container's health check asks them.
    case ["healthz"], ["readyz"]: return HTTPResponse(body: "ok\n")
    case ["events"]: return events(request)
    case ["api", "pictures"]: return try pictures(request)
    case ["api", "labels"]: return try labels()
    case ["api", "checks"]: return .json(checks?.json ?? "{}")
    case ["api", "numbers"]: return .json(sides?.json ?? "{\"state\":null}")
    case _ where parts.count == 3 && parts[0] == "api" && parts[1] == "pictures":
      return try withPicture(parts[2]) { .json($0.detailedJSON(history: history?.json(of: $0))) }
    case _ where parts.count == 4 && parts[0] == "api" && parts[1] == "pictures" && parts[3] == "verify":
      guard PageGuard.isFromScript(request) else { return forScriptsOnly }
      return try withPicture(parts[2], verify)
    case _ where parts.count == 2 && parts[0] == "pictures":
      return try withPicture(parts[1]) { try bytes(of: $0, to: request) }
    default: return missing
    }
  }

  private var missing: HTTPResponse { HTTPResponse(status: 404, body: "not found\n") }

  // MARK: Lists

  private func pictures(_ request: HTTPRequest) throws -> HTTPResponse {
    let limit = min(max(1, request.query["limit"].flatMap { Int($0) } ?? 100), Self.mostPictures)
    let before = request.query["before"].flatMap { Int64($0) }
    return try catalog.withLock { catalog in
      var filter = PictureFilter(label: request.query["label"], search: request.query["q"])
      if let id = request.query["same"].flatMap({ Int64($0) }) {
        guard let picture = try catalog.picture(id) else { return missing }
        filter.filePath = picture.row.filePath
      }
      let page = try catalog.pictures(before: before, matching: filter, atMost: limit)
      return .json(page.json(catalog: try catalog.identity() ?? "", newest: try catalog.newest()))
    }
  }

  private func labels() throws -> HTTPResponse {
    let (labels, areMore) = try catalog.withLock { try $0.labels(atMost: Self.mostLabels) }
    let list = labels.map { Fields.json([("name", .string($0))]) }.joined(separator: ",")
    return .json("{\"more\":\(areMore),\"labels\":[\(list)]}")
  }

  private func events(_ request: HTTPRequest) -> HTTPResponse {
    // A browser that connects again by itself sends the header; a page that was away sends the parameter.
    let known = request.header("Last-Event-ID") ?? request.query["after"]
    let stream = EventStream()
    if request.method == .get {
      feed.add(stream, after: known.flatMap { Int64($0) }.map { max(0, $0) })
      sides?.add(stream)
    }
    return HTTPResponse(stream)
  }

  // MARK: Checks

  private func start(_ kind: String, _ request: HTTPRequest) -> HTTPResponse {
    guard let checks, let kind = Checks.Kind(rawValue: kind) else { return missing }
    guard request.method == .post else { return HTTPResponse(notAllowed: "POST") }
    guard PageGuard.isFromScript(request) else { return forScriptsOnly }
    let isStarted = checks.start(kind)
    return .json(checks.json, status: isStarted ? 202 : 429)
  }

  private var forScriptsOnly: HTTPResponse { HTTPResponse(status: 403, body: "This is for the page's script.\n") }

  // MARK: One picture

  private func withPicture(_ id: String, _ body: (Picture) throws -> HTTPResponse) throws -> HTTPResponse {
    guard let id = Int64(id), let picture = try catalog.withLock({ try $0.picture(id) }) else { return missing }
    return try body(picture)
  }

  /// - Returns: nil if the output has no such file.
  private func open(_ picture: Picture) throws -> (file: File, status: FileStatus)? {
    guard picture.isCurrent, let name = try? ImageName(picture.name) else { return nil }
    return try StoredFile.open(name, in: output)
  }

  private func bytes(of picture: Picture, to request: HTTPRequest) throws -> HTTPResponse {
    guard picture.isCurrent else {
      return HTTPResponse(status: 410, body: "A newer version has replaced this one.\n")
    }
    guard let (file, status) = try open(picture) else { return missing }
    let type = PictureFormat.contentType(try StoredFile.format(of: file))
    let isAttachment = type == nil || request.query["download"] == "1"
    let tag = [Int64(status.size), status.modified, Int64(truncatingIfNeeded: status.inode)].map {
      String($0, radix: 36)
    }.joined(separator: "-")
    var response = HTTPResponse(
      file, size: status.size, tag: tag, contentType: type ?? "application/octet-stream", to: request)
    response.headers.append(
      ("Content-Disposition", PictureFormat.disposition(picture.name, isAttachment: isAttachment)))
    return response
  }

  /// Whether a newer version takes its place within some seconds. A consumer moves files into the output before it records
  /// them.
  private func willBeReplaced(_ picture: Picture) throws -> Bool {
    let deadline = Deadline(in: patience)
    repeat {
      if try catalog.withLock({ try $0.picture(picture.id) })?.isCurrent != true { return true }
    } while !deadline.hasPassed && !stop.wait(for: .milliseconds(50))
    return false
  }

  /// Reads a picture's file and compares it with the hash that was recorded when it was stored.
  private func verify(_ picture: Picture) throws -> HTTPResponse {
    guard verifying.acquire(1, timeout: .zero) else {
      return .problem(429, "another picture is being checked")
    }
    defer { verifying.release(1) }
    func result(_ text: String, _ more: [(String, LogValue)] = []) -> HTTPResponse {
      .json(Fields.json([("result", .string(text)), ("expected", .string(picture.row.digest.hex))] + more))
    }
    guard picture.isCurrent else { return result("replaced") }
    guard let (file, status) = try open(picture) else {
      return result(try willBeReplaced(picture) ? "replaced" : "missing")
    }
    guard status.size == picture.row.size else {
      return result(try willBeReplaced(picture) ? "replaced" : "altered", [("bytes", .of(status.size))])
    }
    let start = MonotonicClock.now
    let digest = try StoredFile.digest(of: file) { try stop.check("the page is stopped") }
    if digest != picture.row.digest, try willBeReplaced(picture) { return result("replaced") }
    return result(
      digest == picture.row.digest ? "unchanged" : "altered",
      [
        ("sha256", .string(digest.hex)), ("bytes", .of(status.size)),
        ("milliseconds", .of((MonotonicClock.now - start) / .milliseconds(1))),
      ])
  }
}
