import Telemetry

/// Whether the pipeline is well, in the fewest words.
struct PipelineState: Equatable, Sendable {
  /// What is wrong with a side, in its own words or in ours.
  struct Trouble: Equatable, Sendable {
    let side: String
    let words: [String]
  }

  enum Kind: String, Sendable {
    /// Nothing is known yet.
    case starting
    case trouble
    /// More waits than is stored within seconds, and that for a while.
    case behind
    case flowing
    case idle
  }

  private(set) var kind = Kind.starting
  private(set) var troubles: [Trouble] = []
  /// When this kind of state began, in ms since 1970.
  private(set) var since: Int64 = 0
  /// When the pipeline fell behind; nil if it is not.
  private(set) var behindSince: Int64?
  /// What waits would be stored in this time, in seconds, if the rate stayed; nil if nothing is stored.
  private(set) var secondsLeft: Double?
  /// When an image was last sent or stored; nil if that is not known.
  private(set) var lastFlow: Int64?
  private var backlogSince: Int64?

  /// A backlog that is stored within this time at the present rate is in flow.
  private static let flowingSeconds = 10.0
  /// How long a larger backlog may last before it counts, in ms.
  private static let patience: Int64 = 10_000
  private static let mostTroubles = 8

  /// - Parameter now: in ms since 1970.
  mutating func update(_ point: NumberPoint, _ found: [Trouble], at now: Int64) {
    troubles = Array(found.prefix(Self.mostTroubles))
    let isFlowing = (point[.incoming] ?? 0) > 0 || (point[.stored] ?? 0) > 0
    if isFlowing { lastFlow = now }
    updateBacklog((point[.lag] ?? 0) + (point[.unsent] ?? 0), storedPerSecond: point[.stored] ?? 0, at: now)
    let before = kind
    if !troubles.isEmpty {
      kind = .trouble
    } else if point[.incoming] == nil, point[.stored] == nil {
      kind = .starting
    } else if behindSince != nil {
      kind = .behind
    } else {
      kind = isFlowing ? .flowing : .idle
    }
    if kind != before { since = now }
  }

  private mutating func updateBacklog(_ backlog: Double, storedPerSecond rate: Double, at now: Int64) {
    // It ends later than it begins, so that it does not come and go.
    let limit = backlogSince == nil ? Self.flowingSeconds : Self.flowingSeconds / 2
    guard backlog > 0, backlog > rate * limit else {
      (backlogSince, behindSince, secondsLeft) = (nil, nil, nil)
      return
    }
    let start = backlogSince ?? now
    backlogSince = start
    behindSince = now - start >= Self.patience ? start : nil
    secondsLeft = rate > 0 ? backlog / rate : nil
  }

  var json: String {
    let facts = Fields.json([
      ("is", .string(kind.rawValue)), ("since", .of(since)), ("behindSince", behindSince.map { .of($0) } ?? .absent),
      ("left", secondsLeft.map { .of($0.rounded()) } ?? .absent), ("lastFlow", lastFlow.map { .of($0) } ?? .absent),
    ])
    let list = troubles.map {
      Fields.json([("side", .string($0.side)), ("words", .string($0.words.joined(separator: "\n")))])
    }
    return facts.dropLast() + ",\"troubles\":[\(list.joined(separator: ","))]}"
  }
}
