import Platform
import Producer
import Telemetry

extension Commands {
  /// Images beyond this number are counted, not listed.
  private static let mostListed = 20

  /// Shows how many sent images are in each state, or the history of one image.
  func status() throws -> Int32 {
    let settings = configuration.producer
    let status = try LedgerStatus(settings)
    if status.scopes.isEmpty, !isJSON {
      print("nothing of \(settings.input) was sent to \(settings.topic): correct IMAGES_DIR, TOPIC or STATE_DIR")
    }
    guard let name = options.name else {
      for scope in status.scopes { try show(scope, of: status) }
      return status.scopes.isEmpty ? 1 : 0
    }
    var path = name
    let prefix = settings.namePrefix
    if !prefix.isEmpty, name.utf8.starts(with: prefix.utf8) { path = String(name.utf8.dropFirst(prefix.utf8.count))! }
    let images = try status.scopes.compactMap { try status.image($0, path: path) }
    for image in images { print(isJSON ? Fields.json(fields(image)) : story(image)) }
    if images.isEmpty, !status.scopes.isEmpty, !isJSON {
      print("the ledger has no \(path): it was not sent yet, or it was moved or deleted after it was stored")
    }
    return images.isEmpty ? 1 : 0
  }

  private func show(_ scope: LedgerStatus.Scope, of status: LedgerStatus) throws {
    let settings = configuration.producer
    let counts = try status.counts(scope)
    let age = counts.oldest.map { max(0, WallClock.milliseconds - $0) }
    let named = try [Ledger.State.deadLetter, .lost, .gone].flatMap {
      try status.images(scope, $0, limit: Self.mostListed)
    }
    func count(_ state: Ledger.State) -> Int { counts.byState[state] ?? 0 }
    if isJSON {
      print(
        Fields.json(
          [
            ("input", .string(settings.input)), ("topic", .string(settings.topic)), ("cluster", .string(scope.cluster)),
          ] + Ledger.State.allCases.map { ($0.name, .of(count($0))) } + [
            ("sent_again", .of(counts.sentAgain)), ("oldest_waiting_ms", age.map { .of(Int($0)) } ?? .absent),
          ]))
      for image in named { print(Fields.json(fields(image))) }
      return
    }
    print("\(settings.input) to \(settings.topic), cluster \(scope.cluster)")
    for state in Ledger.State.allCases where state != .unknown || count(.unknown) > 0 {
      var line = "  " + padded(state.meaning) + Quantity.grouped(count(state))
      if state == .waiting, let age {
        line += ", the oldest for \(Quantity.duration(.milliseconds(age)))"
        if settings.receiptsNeeded == 0 { line += " (RECEIPTS_NEEDED=0: receipts are not read)" }
      }
      print(line)
    }
    print("  " + padded("sent more than once") + Quantity.grouped(counts.sentAgain))
    for image in named {
      print("\(image.state.meaning): \(image.path)" + (image.reason.isEmpty ? "" : " (\(image.reason))"))
    }
  }

  private func padded(_ text: String) -> String { text + String(repeating: " ", count: max(1, 30 - text.count)) }

  private func fields(_ image: LedgerStatus.Image) -> [(String, LogValue)] {
    func time(_ milliseconds: Int64) -> LogValue {
      milliseconds == 0 ? .absent : .string(WallClock.iso8601(milliseconds: milliseconds))
    }
    return [
      ("image", .string(image.path)), ("state", .string(image.state.name)),
      ("kind", image.reason.isEmpty ? .absent : .string(image.reason)), ("sha256", .string(image.digest)),
      ("bytes", .of(image.size)), ("partition", image.offset < 0 ? .absent : .of(image.partition)),
      ("offset", image.offset < 0 ? .absent : .of(image.offset)), ("seen", time(image.seen)),
      ("sent", time(image.sent)), ("acknowledged", time(image.acknowledged)), ("receipt", time(image.receipt)),
      ("outputs", image.outputs.isEmpty ? .absent : .string(image.outputs.joined(separator: " "))),
      ("sent_again", .of(image.resent)),
    ]
  }

  private func story(_ image: LedgerStatus.Image) -> String {
    var lines = [
      "\(image.path): \(image.state.meaning)" + (image.reason.isEmpty ? "" : " (\(image.reason))"),
      "  sha256        \(image.digest), \(Quantity.bytes(image.size))",
    ]
    func add(_ label: String, _ milliseconds: Int64, _ more: String = "") {
      guard milliseconds != 0 else { return }
      lines.append(
        "  \(label)" + String(repeating: " ", count: 14 - label.count) + WallClock.iso8601(milliseconds: milliseconds)
          + more)
    }
    add("seen", image.seen)
    add("sent", image.sent, image.resent > 0 ? ", sent again \(Quantity.count(image.resent, "time"))" : "")
    add("acknowledged", image.acknowledged, ", partition \(image.partition), offset \(image.offset)")
    add("last receipt", image.receipt)
    if !image.outputs.isEmpty { lines.append("  outputs       \(image.outputs.joined(separator: ", "))") }
    return lines.joined(separator: "\n")
  }
}

extension Ledger.State {
  fileprivate var meaning: String {
    switch self {
    case .unknown: "sent by an older version"
    case .waiting: "waiting for receipts"
    case .confirmed: "confirmed"
    case .deadLetter: "dead letter"
    case .lost: "lost, to be sent again"
    case .gone: "lost, and its file is gone"
    }
  }
}
