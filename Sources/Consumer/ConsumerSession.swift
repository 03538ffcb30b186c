import Kafka
import Output
import Platform
import Wire

/// The state of a consumer: which partitions it has, up to which offsets each is read and stored, which batches are
/// handed out, and what may be done next. It is a pure state machine: no I/O, and time comes with the events.
///
/// A driver calls one method for each event, and asks `nextAction` what to do. Each action is answered by one event.
/// Before the driver does something on its own, it asks: `begin`, `permission`, `isWorkVoid`.
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
/// Each change of the state except `unread` → `reading` begins a new *epoch*. A batch belongs to the epoch in which it
/// was handed out, so nothing of an old assignment, an old position or an old topic is ever stored.
///
/// **Work** is anything that may hold the catalog's lock, wait for it, or wait for the broker: storing a batch, and
/// upkeep. The client must be polled all the while. What the poll brings changes the state. But until the work has
/// ended, the only action due is to pause fetching: the catalog is neither read nor written for the session, and no
/// partition is placed. `isWorkVoid` tells whether the work has lost its purpose. After the work, the actions that have
/// become due are carried out, and fetching resumes.
struct ConsumerSession<Message: SessionMessage> {
  /// Time that passes while the host sleeps counts: the topic may be re-created meanwhile.
  typealias Instant = ContinuousClock.Instant

  private(set) var state = State.new
  /// Grows whenever the batches that were handed out become void.
  private(set) var epoch = 0
  /// The topic as the catalog had it when positions were last read.
  private(set) var topic: Catalog.Topic
  private(set) var partitions: [Int32: PartitionSession] = [:]
  private(set) var waiting = WaitingMessages<Message>()
  private var handedOut = HandedOutBatches()
  private var work = Work.none
  private var fetching = Fetching.running
  private var commits: OffsetCommits
  private var catalogRetry = Backoff.afterFault
  /// How many more batches are to keep their messages' content.
  private var carefulBatches = 0
  private let doubtsTopic: Bool
  private var look = TopicLook()

  /// - Parameters:
  ///   - doubtsTopic: false if the topic cannot be re-created while this runs.
  ///   - commitRetry: the delay before a refused commit is repeated.
  init(topic: Catalog.Topic, doubtsTopic: Bool, commitRetry: Duration = .seconds(5)) {
    self.topic = topic
    self.doubtsTopic = doubtsTopic
    commits = OffsetCommits(retry: commitRetry)
  }

  // MARK: Actions

  /// The action to carry out now; nil if there is none. To be called after each poll, until it returns nil.
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

  /// The answer to an assignment: the offsets at which the client is to read its partitions. It marks them as placed.
  /// Empty if their positions are not known yet; then the partitions are placed later.
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

  /// The missing topic exists now. Nothing could be assigned before, so the wait for an assignment begins again.
  mutating func topicFound(at now: Instant) {
    if case .waiting(_, let wasAssigned) = state { state = .waiting(since: now, wasAssigned: wasAssigned) }
  }

  // MARK: Catalog

  /// - Returns: true if reading had failed before.
  mutating func positionsRead(_ topic: Catalog.Topic, _ positions: [Int32: Catalog.Position], at now: Instant) -> Bool {
    guard case .unread = state else { return false }
    self.topic = topic
    for partition in partitions.keys { partitions[partition] = PartitionSession(positions[partition], at: now) }
    state = .reading
    defer { catalogRetry.succeeded() }
    return catalogRetry.hasFailed
  }

  /// The topic's old positions are void.
  mutating func generationAdvanced(at now: Instant) {
    if case .recreated = state { enter(.unread(due: now, isNewAssignment: false)) }
  }

  /// The catalog could not be read or written.
  /// - Returns: the delay before the next attempt.
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
    // While the partition is not placed, the client does not fetch it. The seek that is due starts it again at the
    // right offset.
    guard state == .reading, partitions[partition]?.isPlaced == true else { return }
    partitions[partition]!.outOfRange(at: now)
  }

  mutating func placed(_ partition: Int32) { partitions[partition]?.placed() }
  mutating func seekFailed(_ partition: Int32, at now: Instant) { partitions[partition]?.seekFailed(at: now) }

  /// Seeks these partitions again: their fetches were refused, and nothing else would reveal that they no longer are.
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

  /// A message to look at again: nothing else would reveal that the topic was re-created and ends at the same offset as
  /// before. To be called at intervals while `isCaughtUp`.
  mutating func messageToLookAt(at now: Instant) -> (partition: Int32, mark: MessageMark)? {
    guard doubtsTopic, state == .reading else { return nil }
    return look.next(of: partitions.compactMapValues { $0.stored?.last }, at: now)
  }

  // MARK: Batches

  /// - Parameter room: the maximum number of messages.
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
    work = .storing(ticket, .afterFault)
    return .begun
  }

  /// Whether the batch may be stored now.
  func permission() -> Permission {
    guard case .storing(let ticket, _) = work, isCurrent(ticket) else { return .void }
    let own = partitions.filter { handedOut.partitions(of: ticket).contains($0.key) }
    let doubted = doubtsTopic ? own.compactMapValues(\.doubted) : [:]
    guard doubted.isEmpty else { return .confirm(doubted) }
    return .store(topic, expecting: own.mapValues(\.stored))
  }

  /// True if the current work has lost its purpose: the assignment or the topic changed.
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
    // The positions of a void batch are among those that are read next.
    if isCurrent(ticket) {
      for (partition, position) in positions { partitions[partition]?.stored(position) }
    }
    switch remainder {
    case .nothing:
      if isCurrent(ticket) { handedOut.stored(ticket) }
      carefulBatches = max(0, carefulBatches - 1)
      work = .none
    case .rest: work = .storing(ticket, .afterFault)
    case .unreadable: giveBack(at: now)
    }
  }

  /// A temporary fault prevented storing the batch: a full disk, or a broker that does not answer.
  /// - Returns: how long to wait before the next attempt.
  mutating func failed() -> Duration {
    guard case .storing(let ticket, var retry) = work else { return .zero }
    defer { work = .storing(ticket, retry) }
    return retry.failed()
  }

  /// The messages' content was given back. They are read again, and their content is kept.
  mutating func giveBack(at now: Instant) {
    carefulBatches = Self.carefulAfterwards
    gaveUp(at: now)
  }

  /// Neither the batch nor any batch handed out after it is stored: another consumer was quicker, the batch is void, or
  /// the run ends. All of them are read again. Does nothing once the work has ended.
  mutating func gaveUp(at now: Instant) {
    guard case .storing(let ticket, _) = work else { return }
    work = .none
    if isCurrent(ticket) { readAgain(at: now) }
  }

  /// Receipts say that these offsets are lost. To be called during upkeep.
  mutating func reported(_ lost: [Int32: [Range<Int64>]]) {
    if !isWorkVoid { for (partition, ranges) in lost { partitions[partition]?.reported(ranges) } }
  }

  mutating func beginUpkeep() { work = .upkeep(epoch: epoch) }

  mutating func endUpkeep() {
    if case .upkeep = work { work = .none }
  }

  // MARK: Committed offsets

  /// The offsets to commit to Kafka, for those who watch the group; nil if there is nothing to commit now. To be called
  /// after `stored`, and at intervals while `isCaughtUp`: control records may follow the last message, and an observer
  /// that waits for the end of the topic wants to see the group reach it.
  mutating func offsetsToCommit(at now: Instant) -> [Int32: Int64]? { commits.due(committable, at: now) }

  mutating func commitRefused(at now: Instant) { commits.refused(at: now) }
}
