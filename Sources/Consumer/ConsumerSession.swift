import Kafka
import Output

/// The one place that knows where a consumer stands: which partitions it has, where each is read and stored up to, which
/// batches are handed out, and what may be done next. A pure state machine: no I/O, and time comes with the events.
///
/// A driver tells it what happens, one method an event, and asks it with `nextAction` what is to be done. Each action is
/// answered by one event. What the driver does by itself, it asks first: `begin`, `permission`, `isWorkVoid`.
///
/// ```
///                        joined              assigned
///                 new ───────────▶ waiting ────────────┐
///                                     ▲                ▼
///                        revoked, from│any     ┌─────────────┐  assigned; reading failed: later
///                                     └────────│   unread    │◀─┐
///                                              └─┬─────────▲─┘──┘
///                                positions read  │         │  fenced, given up, out of order, to be read again
///                                                ▼         │
///                                              ┌───────────┴─┐
///                                              │   reading   │
///                                              └─┬───────────┘
///        another message, an end before what is  │         ▲  generation advanced: `unread`, then `reading`
///        stored, a last message that is not there▼         │
///                                              ┌───────────┴─┐  advancing failed: later
///                                              │  recreated  │◀─┐
///                                              └─────────────┘──┘
/// ```
/// | state       | partitions            | messages are | batches that are handed out | what is due                 |
/// |-------------|-----------------------|--------------|-----------------------------|-----------------------------|
/// | `new`       | none                  | ignored      | none                        | nothing                     |
/// | `waiting`   | none                  | ignored      | void                        | nothing                     |
/// | `unread`    | assigned, not placed  | ignored      | void                        | read positions, then seek   |
/// | `recreated` | assigned              | ignored      | void                        | advance the generation      |
/// | `reading`   | each as its own state | taken        | stored in their order       | seek what is not placed     |
///
/// Each change of the state but `unread` → `reading` begins a new *epoch*. A batch belongs to the epoch that it was handed out
/// in, so that nothing of an old assignment, an old position or an old topic is ever stored.
///
/// **Work** is what may hold the catalog's lock, wait for it, or wait for the broker: storing a batch, and upkeep. The client
/// must be polled all the while. What it brings changes the state, but nothing is due before the work has ended, except that
/// fetching pauses: the catalog is neither read nor written, and no partition is placed. `isWorkVoid` says whether the work
/// has lost its purpose. After it, what has become due is done, and fetching goes on.
struct ConsumerSession<Message: SessionMessage> {
  typealias Instant = ContinuousClock.Instant

  private(set) var state = State.new
  /// Grows whenever what was handed out becomes void.
  private(set) var epoch = 0
  /// As the catalog had it when positions were read last.
  private(set) var topic: Catalog.Topic
  private(set) var partitions: [Int32: PartitionSession] = [:]
  private(set) var waiting = WaitingMessages<Message>()
  private var handedOut = HandedOutBatches()
  private var work = Work.none
  private var fetching = Fetching.running
  private var commits: OffsetCommits
  private var catalogRetry = RetryDelay()
  /// So many batches are still to keep their messages' content.
  private var carefulBatches = 0
  private let doubtsTopic: Bool
  private var look = TopicLook()

  /// After something stood in the way: it may be the same with the next ones.
  static var carefulAfterwards: Int { 16 }

  /// - Parameters:
  ///   - doubtsTopic: false if the topic cannot be re-created while this runs.
  ///   - commitRetry: until a commit that was refused is repeated.
  init(topic: Catalog.Topic, doubtsTopic: Bool, commitRetry: Duration = .seconds(5)) {
    self.topic = topic
    self.doubtsTopic = doubtsTopic
    commits = OffsetCommits(retry: commitRetry)
  }

  // MARK: What is to be done

  /// What is to be done now; nil: nothing. To be called until then, after each poll.
  func nextAction(at now: Instant) -> Action? {
    guard work == .none else { return fetching == .running ? .pause : nil }
    switch state {
    case .recreated(let due) where due <= now: return .advanceGeneration(topic)
    case .unread(let due, let isNew) where due <= now:
      return .readPositions(partitions.keys.sorted(), isNewAssignment: isNew)
    case .reading:
      if let (partition, session) = partitions.lazy.filter({ $0.value.isSeekDue(at: now) }).min(by: { $0.key < $1.key })
      {
        return .seek(partition, session.start)
      }
    case .new, .waiting, .unread, .recreated: break
    }
    return fetching == .paused ? .resume : nil
  }

  mutating func paused() { fetching = .paused }
  mutating func resumed() { fetching = .running }
  var isPaused: Bool { fetching == .paused }

  // MARK: Membership

  mutating func joined(at now: Instant) { state = .waiting(since: now, wasAssigned: false) }

  /// The group has assigned these partitions, and no others.
  mutating func assigned(_ partitions: [Int32], at now: Instant) {
    self.partitions = Dictionary(uniqueKeysWithValues: partitions.map { ($0, PartitionSession(nil, at: now)) })
    enter(.unread(due: now, isNewAssignment: true))
  }

  /// The answer to an assignment: where its partitions are to be read, which places them. Empty as long as their positions are
  /// not known; then they are placed later.
  mutating func takeStarts() -> [Int32: KafkaConsumer.StartOffset] {
    guard state == .reading else { return [:] }
    for partition in partitions.keys { partitions[partition]?.placed() }
    return partitions.mapValues(\.start)
  }

  mutating func revoked(at now: Instant) {
    partitions = [:]
    commits.forget()
    enter(.waiting(since: now, wasAssigned: true))
  }

  /// There was no topic, and now there is: nothing could be assigned before.
  mutating func topicFound(at now: Instant) {
    if case .waiting(_, let wasAssigned) = state { state = .waiting(since: now, wasAssigned: wasAssigned) }
  }

  // MARK: Catalog

  /// - Returns: true if that had failed before.
  mutating func positionsRead(_ topic: Catalog.Topic, _ positions: [Int32: Catalog.Position], at now: Instant) -> Bool {
    guard case .unread = state else { return false }
    self.topic = topic
    for partition in partitions.keys { partitions[partition] = PartitionSession(positions[partition], at: now) }
    state = .reading
    defer { catalogRetry = RetryDelay() }
    return catalogRetry.hasFailed
  }

  /// The topic's old positions are void.
  mutating func generationAdvanced(at now: Instant) {
    if case .recreated = state { enter(.unread(due: now, isNewAssignment: false)) }
  }

  /// The catalog could not be read or written.
  /// - Returns: after how long that is tried again.
  mutating func catalogFailed(at now: Instant) -> Duration {
    let delay = catalogRetry.failed()
    switch state {
    case .unread(_, let isNew): state = .unread(due: now + delay, isNewAssignment: isNew)
    case .recreated: state = .recreated(due: now + delay)
    case .new, .waiting, .reading: break
    }
    return delay
  }

  private mutating func enter(_ state: State) {
    epoch += 1
    self.state = state
    waiting = WaitingMessages()
    handedOut.forget()
  }

  private mutating func readAgain(at now: Instant) {
    if state == .reading { enter(.unread(due: now, isNewAssignment: false)) }
  }

  // MARK: Topic

  mutating func received(_ message: Message, at now: Instant) -> Reception {
    let partition = message.partition
    guard state == .reading, partitions[partition]?.isPlaced == true else { return .ignored }
    switch partitions[partition]!.received(message.mark, at: now) {
    case .new: waiting.append(message, at: now)
    case .known: break
    case .otherTopic: topicRecreated(at: now)
    }
    return .noted(partitions[partition]!.takeLoss())
  }

  /// Everything before `offset` has been delivered.
  mutating func reachedEnd(of partition: Int32, _ offset: Int64, at now: Instant) -> Reception {
    guard state == .reading, partitions[partition]?.isPlaced == true else { return .ignored }
    if !partitions[partition]!.reachedEnd(offset, at: now) { topicRecreated(at: now) }
    return .noted(partitions[partition]!.takeLoss())
  }

  mutating func outOfRange(_ partition: Int32, at now: Instant) {
    // One that is to be placed rests, and is started again where it is to be read.
    guard state == .reading, partitions[partition]?.isPlaced == true else { return }
    partitions[partition]!.outOfRange(at: now)
  }

  mutating func placed(_ partition: Int32) { partitions[partition]?.placed() }
  mutating func seekFailed(_ partition: Int32, at now: Instant) { partitions[partition]?.seekFailed(at: now) }

  /// Fetches of these partitions were refused, and nothing else would tell that they are not refused any more.
  mutating func refetch(_ partitions: [Int32], at now: Instant) {
    guard state == .reading else { return }
    for partition in partitions { self.partitions[partition]?.readAgain(at: now) }
  }

  /// Another topic has the name.
  mutating func topicRecreated(at now: Instant) {
    if state == .reading { enter(.recreated(due: now)) }
  }

  /// The topic still has the message that was asked about.
  mutating func confirmed(_ partition: Int32) { partitions[partition]?.confirmed() }

  /// A message that is to be looked at: nothing else would tell that the topic was re-created and ends where it did. To be called
  /// every now and then while `isCaughtUp`.
  mutating func messageToLookAt(at now: Instant) -> (partition: Int32, mark: Catalog.Mark)? {
    guard doubtsTopic, state == .reading else { return nil }
    return look.next(of: partitions.compactMapValues { $0.stored?.last }, at: now)
  }

  // MARK: Batches

  /// - Parameter room: the most messages.
  mutating func handOut(_ room: Int) -> Batch {
    let messages = waiting.take(room)
    let ticket = handedOut.append(Set(messages.map(\.partition)), epoch: epoch)
    return Batch(ticket: ticket, messages: messages, keepsContent: carefulBatches > 0)
  }

  func isCurrent(_ ticket: BatchTicket) -> Bool { ticket.epoch == epoch }

  /// Whether batches are prepared one at a time.
  var isCareful: Bool { carefulBatches > 0 }

  /// Begins to store a batch, which ends with `stored` or `gaveUp`.
  mutating func begin(_ ticket: BatchTicket, at now: Instant) -> Beginning {
    guard isCurrent(ticket) else { return .void }
    guard handedOut.isFirst(ticket) else {
      readAgain(at: now)
      return .outOfOrder
    }
    work = .storing(ticket, RetryDelay())
    return .begun
  }

  /// Whether the batch may be stored, now.
  func permission() -> Permission {
    guard case .storing(let ticket, _) = work, isCurrent(ticket) else { return .void }
    let own = partitions.filter { handedOut.partitions(of: ticket).contains($0.key) }
    let doubted = doubtsTopic ? own.compactMapValues(\.doubted) : [:]
    guard doubted.isEmpty else { return .confirm(doubted) }
    return .store(topic, expecting: own.mapValues(\.stored))
  }

  /// True if the work that is done has lost its purpose: the assignment or the topic changed.
  var isWorkVoid: Bool {
    switch work {
    case .none: false
    case .storing(let ticket, _): !isCurrent(ticket)
    case .upkeep(let epoch): epoch != self.epoch
    }
  }

  /// The catalog has these positions now.
  mutating func stored(_ positions: [Int32: Catalog.Position], leaving remainder: Remainder, at now: Instant) {
    guard case .storing(let ticket, _) = work else { return }
    // If it is void, its positions are part of those that are read next.
    if isCurrent(ticket) {
      for (partition, position) in positions { partitions[partition]?.stored(position) }
    }
    switch remainder {
    case .nothing:
      if isCurrent(ticket) { handedOut.stored(ticket) }
      carefulBatches = max(0, carefulBatches - 1)
      work = .none
    case .rest: work = .storing(ticket, RetryDelay())
    case .unreadable: giveBack(at: now)
    }
  }

  /// Something that may pass kept the batch from being stored: a full disk, a broker that does not answer.
  /// - Returns: how long to wait before `isRetried` is asked.
  mutating func failed() -> Duration {
    guard case .storing(let ticket, var retry) = work else { return .zero }
    defer { work = .storing(ticket, retry) }
    return retry.failed()
  }

  /// Its messages' content was given back: they are read again, and kept.
  mutating func giveBack(at now: Instant) {
    carefulBatches = Self.carefulAfterwards
    gaveUp(at: now)
  }

  /// The batch is not stored, nor is what was handed out after it: another consumer was quicker, it is void, or the run ends. All of
  /// it is read again. Does nothing once the work has ended.
  mutating func gaveUp(at now: Instant) {
    guard case .storing(let ticket, _) = work else { return }
    work = .none
    if isCurrent(ticket) { readAgain(at: now) }
  }

  mutating func beginUpkeep() { work = .upkeep(epoch: epoch) }

  mutating func endUpkeep() {
    if case .upkeep = work { work = .none }
  }

  // MARK: What Kafka is told

  /// What Kafka is to be told, for those who watch the group; nil: nothing new. To be called after `stored`, and every now and then
  /// while `isCaughtUp`: behind the last message there may be control records, and whoever waits for the group's end wants to
  /// see it reached.
  mutating func offsetsToCommit(at now: Instant) -> [Int32: Int64]? { commits.due(committable, at: now) }

  mutating func commitRefused(at now: Instant) { commits.refused(at: now) }
}
