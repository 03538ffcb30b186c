import Output
import Platform
import S3
import Synchronization
import Telemetry

/// Answers the requests of browsers. Called from several threads at once.
final class PageHandler: Sendable {
  private let output: any PictureOutput
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
    _ output: any PictureOutput, hosts: [String], feed: PictureFeed, checks: Checks? = nil,
    history: PictureHistory? = nil,
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
    catalog = Mutex(PictureCatalog(output))
  }

  /// Whether the answer may take long: all bytes of a picture are read first.
  static func isSlow(_ request: HTTPRequest) -> Bool {
    request.path.hasPrefix("/pictures/") || request.path.hasSuffix("/verify")
  }

  func answer(_ request: HTTPRequest) -> HTTPResponse {
    if let refusal = guardian.refusal(of: request) { return PageGuard.protect(refusal, at: request.path) }
    let response: HTTPResponse
    do { response = try route(request) } catch {
      // A store that does not answer fails each object in words of its own.
      if let unsaid = failuresSaid.note((error as? S3Error)?.name ?? "\(error)") {
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

  private func bytes(of picture: Picture, to request: HTTPRequest) throws -> HTTPResponse {
    guard picture.isCurrent else {
      return HTTPResponse(status: 410, body: "A newer version has replaced this one.\n")
    }
    let anything = "application/octet-stream"
    if let tag = output.tag(of: picture), request.knows(tag) {
      return HTTPResponse(unchanged: tag, contentType: PictureFormat.contentType(picture.row.format) ?? anything)
    }
    if let most = output.largestPicture, picture.row.size > most {
      return HTTPResponse(
        status: 507, body: "The page reads at most \(most >> 20) MB from a store. Read \(picture.row.filePath) there.\n"
      )
    }
    guard let found = try output.open(picture) else { return missing }
    let type = PictureFormat.contentType(try StoredFile.format(of: found.file))
    let isAttachment = type == nil || request.query["download"] == "1"
    var response = HTTPResponse(
      found.file, size: found.size, tag: found.tag, contentType: type ?? anything, to: request)
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

  /// Reads a picture and compares it with the hash that was recorded when it was stored.
  private func verify(_ picture: Picture) throws -> HTTPResponse {
    guard verifying.acquire(1, timeout: .zero) else {
      return .problem(429, "another picture is being checked")
    }
    defer { verifying.release(1) }
    func result(_ text: String, _ more: [(String, LogValue)] = []) -> HTTPResponse {
      .json(Fields.json([("result", .string(text)), ("expected", .string(picture.row.digest.hex))] + more))
    }
    guard picture.isCurrent else { return result("replaced") }
    let start = MonotonicClock.now
    guard let found = try output.examine(picture, stop: stop) else {
      return result(try willBeReplaced(picture) ? "replaced" : "missing")
    }
    let duration = MonotonicClock.now - start
    let isUnchanged = found.digest == picture.row.digest
    if !isUnchanged, try found.isNewer || willBeReplaced(picture) { return result("replaced") }
    guard let digest = found.digest else { return result("altered", [("bytes", .of(found.size))]) }
    return result(
      isUnchanged ? "unchanged" : "altered",
      [
        ("sha256", .string(digest.hex)), ("bytes", .of(found.size)),
        ("milliseconds", .of(duration / .milliseconds(1))),
      ])
  }
}
