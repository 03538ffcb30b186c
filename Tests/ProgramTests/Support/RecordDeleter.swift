import TestSupport

@testable import Kafka
@testable import Platform
@testable import SQLite

/// Deletes messages from the topic that a consumer has not read, while that consumer is down. It keeps the consumer from
/// starting until there are such messages.
final class RecordDeleter {
  struct Target {
    let victim: ChaosVictim
    /// The path of its output's catalog.
    let catalog: String
  }

  private enum State {
    case idle(until: ContinuousClock.Instant)
    /// - least: the number of messages to wait for.
    case holding([Target], since: ContinuousClock.Instant, least: Int)
  }

  private let topic: String
  private let client: KafkaProducer
  private let targets: [Target]
  private var numbers: SeededNumbers
  private var state = State.idle(until: .now)
  private var nextLook = ContinuousClock.now
  /// The ranges of offsets that were deleted and not read.
  private(set) var ranges: [Range<Int64>] = []
  var messages: Int { ranges.reduce(0) { $0 + $1.count } }

  private static let pause = 500...6_000
  private static let most = 40
  /// How long to wait for enough messages, and for any.
  private static let (patience, mostPatience) = (Duration.seconds(3), Duration.seconds(12))
  private static let timeout = Duration.seconds(1)

  init(_ broker: Broker, _ targets: [Target], seed: UInt64) throws {
    topic = broker.topic
    client = try KafkaProducer(broker.settings()) { _ in }
    self.targets = targets
    numbers = SeededNumbers(seed: seed, "deletions")
    state = .idle(until: .now + .seconds(1))
  }

  deinit { client.close() }

  /// - Returns: whether messages were deleted.
  func step() -> Bool {
    let now = ContinuousClock.now
    switch state {
    case .idle(let until):
      guard now >= until else { return false }
      // Now and then all outputs lose the same messages.
      let chosen = numbers.percent(25) ? targets : [targets[numbers.number(0...(targets.count - 1))]]
      for target in chosen { target.victim.isHeld = true }
      state = .holding(chosen, since: now, least: numbers.number(1...Self.most))
      return false
    case .holding(let chosen, let since, let least):
      guard chosen.allSatisfy({ $0.victim.program == nil }), now >= nextLook else { return false }
      nextLook = now + .milliseconds(100)
      // The broker may be down.
      let isDone = (try? delete(chosen, least: now - since > Self.patience ? 1 : least)) ?? false
      if isDone || now - since > Self.mostPatience { release(chosen) }
      return isDone
    }
  }

  private func release(_ chosen: [Target]) {
    for target in chosen { target.victim.isHeld = false }
    state = .idle(until: .now + .milliseconds(numbers.number(Self.pause)))
  }

  private func delete(_ chosen: [Target], least: Int) throws -> Bool {
    let positions = try chosen.map { try Self.positions(in: $0.catalog) }
    var unread: [(partition: Int32, offsets: Range<Int64>)] = []
    for partition in 0..<Int32(try client.partitionCount(of: topic, timeout: Self.timeout) ?? 0) {
      let marks = try client.watermarks(of: topic, partition: partition, timeout: Self.timeout)
      let first = positions.reduce(marks.low) { max($0, $1[partition, default: 0]) }
      if first < marks.high { unread.append((partition, first..<marks.high)) }
    }
    guard unread.reduce(0, { $0 + $1.offsets.count }) >= least else { return false }
    let (partition, offsets) = unread[numbers.number(0...(unread.count - 1))]
    let next = offsets.lowerBound + Int64(numbers.number(1...min(offsets.count, Self.most)))
    try client.deleteRecords(of: topic, partition: partition, before: next, timeout: .seconds(5))
    ranges.append(offsets.lowerBound..<next)
    return true
  }

  /// How far a consumer that is down has stored each partition.
  private static func positions(in catalog: String) throws -> [Int32: Int64] {
    guard try FileStatus.of(catalog) != nil else { return [:] }
    var positions: [Int32: Int64] = [:]
    try Database(reading: catalog).prepare("SELECT partition, next FROM positions").each { row in
      positions[Int32(row.integer(0))] = row.integer(1)
      return true
    }
    return positions
  }

  /// Deletes nothing more.
  func end() {
    if case .holding(let chosen, _, _) = state { release(chosen) }
  }
}
