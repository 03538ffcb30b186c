import Cluster
import Configuration
import DeadLetters
import Platform
import Synchronization
import Telemetry

/// Knows what failed: dead letters, and images that were sent and are not stored. It looks on a thread of its own, so that
/// no request waits for a broker, and only while somebody asks. Before that it does not connect to Kafka.
final class FailureDesk: Sendable {
  /// What is known at a moment.
  struct View: Sendable {
    /// Grows with each change of `content`.
    var version = 0
    /// The members of a JSON object.
    var content = ""
    var letters: [NewestLetters.Letter] = []
    /// How many dead letters wait for a replay.
    var waiting = 0
    /// How many others are listed, and cannot be replayed.
    var foreign = 0
    /// How many other images are not stored: they are lost, or a producer refuses them.
    var unstored = 0
    var areMore = false
    /// Whether folder and ledger have been looked at.
    var isReady = false
    /// When Kafka has answered last, in ms since 1970; nil: it was not asked.
    var answered: Int64?
    var isLooking = false
    var replay: FailureReplay?
  }

  private struct State {
    var view = View()
    var isPeeking = false
    var nextLook = MonotonicClock.now
    var nextPeek = MonotonicClock.now
    var lastAsked = MonotonicClock.now
    var replays = 0
  }

  private enum Work: Sendable {
    /// Folder and ledger alone.
    case peek
    case look
    case replay(LetterPlace?)
  }

  private let configuration: Configuration
  private let hasBroker: Bool
  private let refused: RefusedImages?
  private let log: Log
  private let stop: StopFlag
  private let state = Mutex(State())
  private let queue = BoundedQueue<Work>(capacity: 4)

  /// The time between two looks, however many viewers there are.
  private let lookInterval: Duration
  private let peekInterval: Duration
  /// The connection to Kafka is closed if nobody has asked for so long.
  private static let idleTime = Duration.seconds(30)

  /// - Parameters:
  ///   - configuration: its consumer has the output that the page shows.
  ///   - hasBroker: false: only the dead letters on disk are shown.
  ///   - refused: nil if no producer can be asked.
  init(
    _ configuration: Configuration, hasBroker: Bool = true, refused: RefusedImages? = nil, log: Log, stop: StopFlag,
    lookInterval: Duration = .seconds(3),
    peekInterval: Duration = .seconds(10)
  ) {
    self.configuration = configuration
    self.hasBroker = hasBroker
    self.refused = refused
    self.log = log
    self.stop = stop
    self.lookInterval = lookInterval
    self.peekInterval = peekInterval
  }

  // MARK: Requests

  /// What is known. If it is old, a look begins.
  func look(now: MonotonicClock.Instant = .now) -> View {
    state.withLock { state in
      state.lastAsked = now
      if !state.view.isLooking, now >= state.nextLook, queue.tryPush(.look) { state.view.isLooking = true }
      return state.view
    }
  }

  /// What is known, and what can be learned without Kafka.
  func peek(now: MonotonicClock.Instant = .now) -> View {
    state.withLock { state in
      if !state.isPeeking, now >= state.nextPeek, queue.tryPush(.peek) { state.isPeeking = true }
      return state.view
    }
  }

  func letter(_ place: LetterPlace) -> NewestLetters.Letter? {
    state.withLock { $0.view.letters.first { $0.place == place } }
  }

  /// Begins to send dead letters back.
  /// - Parameter place: nil: all of them.
  /// - Returns: false if that is being done already.
  func replay(_ place: LetterPlace?) -> Bool {
    state.withLock { state in
      guard state.view.replay?.isRunning != true, queue.tryPush(.replay(place)) else { return false }
      state.replays += 1
      state.view.replay = FailureReplay(id: state.replays, place: place)
      return true
    }
  }

  // MARK: The thread

  /// Runs until `close` is called.
  func run() {
    let newest = NewestLetters(configuration, log: log, stop: stop)
    defer { newest.close() }
    var known = Known()
    var isConnected = false
    while !stop.isSet {
      let work = queue.pop(timeout: isConnected ? .seconds(5) : nil)
      switch work {
      case .peek: peek(newest, &known)
      case .look, .replay:
        if case .replay(let place) = work { sendBack(place) }
        isConnected = true
        look(newest, &known)
      case nil:
        guard state.withLock({ .now - $0.lastAsked > Self.idleTime && !$0.view.isLooking }) else { continue }
        newest.close()
        isConnected = false
      }
    }
  }

  func close() { queue.close() }

  private struct Known {
    var disk = NewestLetters.List()
    var topic = NewestLetters.List()
    var unstored = UnstoredImages()
    /// Lines of producers.
    var refused: [String] = []
    var diskProblem: String?
    var brokerProblem: String?
    /// When the ledger is read again.
    var nextLedger = MonotonicClock.now
  }

  private func peek(_ newest: NewestLetters, _ known: inout Known) {
    do {
      known.disk = try newest.lookAtDisk()
      known.diskProblem = nil
    } catch { known.diskProblem = "\(error)" }
    if .now >= known.nextLedger {
      known.unstored = UnstoredImages(configuration.producer)
      known.nextLedger = .now + peekInterval
    }
    known.refused = refused?.ask() ?? []
    publish(known) { state in
      state.view.isReady = true
      state.isPeeking = false
      state.nextPeek = .now + peekInterval
    }
  }

  private func look(_ newest: NewestLetters, _ known: inout Known) {
    // What needs no broker is shown first.
    peek(newest, &known)
    var hasAnswered = false
    do {
      if hasBroker { known.topic = try newest.lookAtTopic() }
      known.brokerProblem = nil
      hasAnswered = !stop.isSet
    } catch { known.brokerProblem = KafkaErrorFix.described(error) }
    publish(known) { state in
      state.view.isLooking = false
      if hasAnswered { state.view.answered = WallClock.milliseconds }
      state.nextLook = .now + lookInterval
    }
  }

  private func publish(_ known: Known, _ change: (inout State) -> Void) {
    let list = NewestLetters.merged(known.disk, known.topic)
    let problems = Fields.json([
      ("broker_problem", known.brokerProblem.map { .string($0) } ?? .absent),
      ("disk_problem", known.diskProblem.map { .string($0) } ?? .absent), ("more", .of(list.areMore)),
    ]).dropFirst().dropLast()
    let content =
      problems + ",\"letters\":[" + list.letters.map(\.json).joined(separator: ",") + "],\"unstored\":"
      + known.unstored.json + ",\"refused\":["
      + known.refused.map { Fields.json([("line", .string($0))]) }.joined(separator: ",") + "]"
    let others = others(known.unstored, list) + known.refused.count
    state.withLock { state in
      change(&state)
      guard state.view.content != content else { return }
      state.view.content = String(content)
      state.view.version += 1
      state.view.letters = list.letters
      state.view.areMore = list.areMore
      state.view.waiting = list.letters.count { !$0.isReplayed && $0.hindrance == nil }
      state.view.foreign = list.letters.count { $0.hindrance != nil }
      state.view.unstored = others
    }
  }

  /// The number of images that are not stored and have no dead letter in the list.
  private func others(_ unstored: UnstoredImages, _ list: NewestLetters.List) -> Int {
    let names = Set(list.letters.compactMap { $0.image?.pathKey })
    return unstored.images.count { !names.contains((configuration.producer.namePrefix + $0.path).pathKey) }
  }

  // MARK: Replay

  private func sendBack(_ place: LetterPlace?) {
    log.info(
      event: "page_replay_started", "somebody sends dead letters back by the page",
      ["letter": place.map { .string($0.description) } ?? "all"])
    let service = DeadLetterService(configuration, log: log, stop: stop) { _ in }
    service.onProgress = { [self] counts in state.withLock { $0.view.replay?.counts = counts } }
    var counts = DeadLetterService.Counts()
    var problem: String?
    do {
      counts = try place.map { try service.replay($0) } ?? service.replay()
      log.info(
        event: "page_replay_finished", "sent back: \(Quantity.count(counts.sent, "dead letter"))",
        ["sent": .of(counts.sent), "failed": .of(counts.failed), "stay": .of(counts.foreign)])
    } catch {
      problem = KafkaErrorFix.described(error)
      log.error(
        event: "page_replay_failed", "sending dead letters back failed: \(problem ?? "")", ["error": .name(of: error)])
    }
    state.withLock { state in
      if problem == nil { state.view.replay?.counts = counts }
      state.view.replay?.problem = problem
      state.view.replay?.isRunning = false
      state.view.isLooking = true
    }
  }
}

extension LetterPlace {
  /// As `dead-letters` shows it, without the topic.
  var description: String {
    switch self {
    case .disk(let name): name
    case .topic(let partition, let offset): "\(partition)/\(offset)"
    }
  }
}

extension NewestLetters.Letter {
  var json: String {
    var fields = fields + [("milliseconds", .of(time)), ("replayed", .of(isReplayed))]
    switch place {
    case .disk(let name): fields.append(("file", .string(name)))
    case .topic(let partition, let offset): fields += [("at_partition", .of(partition)), ("at_offset", .of(offset))]
    }
    if let fix = kind.flatMap({ LetterFix.fix($0) }) { fields.append(("fix", .string(fix))) }
    return Fields.json(fields)
  }
}

extension LetterExcerpt {
  /// Bytes in hexadecimal: what they mean is for the page to show.
  var json: String {
    func part(_ part: Part?) -> String {
      part.map { Fields.json([("hex", .string(Self.hex($0.beginning))), ("bytes", .of($0.count))]) } ?? "null"
    }
    let list = headers.map { "{\"name\":\(part($0.name)),\"value\":\(part($0.value))}" }.joined(separator: ",")
    return "{\"key\":\(part(key)),\"value\":\(part(value)),\"more_headers\":\(areMoreHeaders),\"headers\":[\(list)]}"
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
