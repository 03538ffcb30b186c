import DeadLetters
import Platform
import Telemetry

/// Answers the requests about failures.
struct FailureRequests: Sendable {
  let desk: FailureDesk
  let permission: PagePermission

  /// For so long the page knows how many dead letters the topic has, in ms.
  private static let memory: Int64 = 600_000

  /// - Parameter path: the parts after `/api/failures`.
  /// - Returns: nil if there is no such address.
  func answer(_ path: ArraySlice<String>, _ request: HTTPRequest) -> HTTPResponse? {
    switch Array(path) {
    case [], ["count"], ["letter"]:
      if request.method == .post { return HTTPResponse(notAllowed: "GET, HEAD") }
      // A look at Kafka costs something, so no other site may cause it.
      guard PageGuard.isFromScript(request) else { return .problem(403, "this is for the page's script") }
      return path.isEmpty ? list(request) : path.first == "count" ? count() : letter(request)
    case ["replay"]:
      guard request.method == .post else { return HTTPResponse(notAllowed: "POST") }
      return permission.refusal(of: request) ?? replay(request)
    default: return nil
    }
  }

  private func count() -> HTTPResponse {
    let view = desk.peek()
    let isKnown = view.answered.map { WallClock.milliseconds - $0 < Self.memory } ?? false
    return .json(
      Fields.json([
        ("ready", .of(view.isReady)), ("known", .of(isKnown)), ("letters", .of(view.waiting)),
        ("more", .of(view.areMore)),
        ("foreign", .of(view.foreign)), ("unstored", .of(view.unstored)),
      ]))
  }

  private func list(_ request: HTTPRequest) -> HTTPResponse {
    let view = desk.look()
    let head = Fields.json([
      ("version", .of(view.version)), ("ready", .of(view.isReady)), ("looking", .of(view.isLooking)),
      ("answered", view.answered.map { .of($0) } ?? .absent), ("writable", .of(permission.isPossible)),
    ]).dropLast()
    // A viewer that has it is not sent it again.
    let isKnown = request.query["since"] == String(view.version)
    let content = isKnown || view.content.isEmpty ? "" : "," + view.content
    return .json(head + ",\"replay\":" + (view.replay?.json ?? "null") + content + "}")
  }

  private func letter(_ request: HTTPRequest) -> HTTPResponse {
    guard let place = LetterPlace(request), let letter = desk.letter(place), let excerpt = letter.excerpt else {
      return .problem(404, "the dead letter is not among the newest ones any more")
    }
    return .json(excerpt.json)
  }

  private func replay(_ request: HTTPRequest) -> HTTPResponse {
    let place = LetterPlace(request)
    guard place != nil || request.query == ["all": "1"] else { return .problem(400, "which dead letter?") }
    guard desk.replay(place) else { return .problem(409, "dead letters are being sent back already") }
    return .json("{}", status: 202)
  }
}

extension LetterPlace {
  init?(_ request: HTTPRequest) {
    if let name = request.query["file"] {
      self = .disk(name: name)
    } else if let partition = request.query["partition"].flatMap({ Int32($0) }), partition >= 0,
      let offset = request.query["offset"].flatMap({ Int64($0) }), offset >= 0
    {
      self = .topic(partition: partition, offset: offset)
    } else {
      return nil
    }
  }
}
