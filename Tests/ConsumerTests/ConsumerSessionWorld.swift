import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output
@testable import Wire

/// A message of the model's topic. The incarnation tells topics apart that had the same name.
struct WorldMessage: SessionMessage, Equatable {
  let partition: Int32
  let offset: Int64
  let incarnation: Int
  /// Which assignment it was delivered in.
  var assignment = 0

  var size: Int { 1 }
  var mark: MessageMark {
    MessageMark(offset: offset, timestamp: nil, key: digest(of: "\(incarnation) \(partition) \(offset)"))
  }
}

/// The topic as a broker has it: its partitions' messages, and what retention and compaction have left of them.
struct WorldTopic {
  struct Log {
    var low: Int64 = 0
    var end: Int64 = 0
    var messages: [WorldMessage] = []

    func first(from offset: Int64) -> WorldMessage? { messages.first { $0.offset >= offset } }
    func message(at offset: Int64) -> WorldMessage? { messages.first { $0.offset == offset } }
  }

  private(set) var incarnation = 1
  private(set) var logs: [Int32: Log]
  private let count: Int32

  init(partitions: Int32) {
    count = partitions
    logs = Dictionary(uniqueKeysWithValues: (0..<partitions).map { ($0, Log()) })
  }

  mutating func append(_ partition: Int32, gap: Int64) {
    let offset = logs[partition]!.end + gap
    logs[partition]!.messages.append(WorldMessage(partition: partition, offset: offset, incarnation: incarnation))
    logs[partition]!.end = offset + 1
  }

  mutating func expire(_ partition: Int32, before offset: Int64) {
    logs[partition]!.low = max(logs[partition]!.low, min(offset, logs[partition]!.end))
    logs[partition]!.messages.removeAll { [low = logs[partition]!.low] in $0.offset < low }
  }

  mutating func recreate() {
    let next = incarnation + 1
    self = WorldTopic(partitions: count)
    incarnation = next
  }
}

/// The catalog: positions by generation, and all that was ever stored, which the invariants are about.
struct WorldCatalog {
  let seed: UInt64
  private(set) var generation: Int64 = 1
  private(set) var positions: [Int32: Catalog.Position] = [:]
  /// By generation and partition.
  private(set) var stored: [[Int64]: [WorldMessage]] = [:]

  var topic: Catalog.Topic { Catalog.Topic(id: 1, generation: generation) }

  mutating func advance(from topic: Catalog.Topic) {
    guard topic.generation == generation else { return }
    generation += 1
    positions = [:]
  }

  func stored(in partition: Int32) -> [WorldMessage] { stored[[generation, Int64(partition)]] ?? [] }

  /// Records messages as one transaction, and checks that it may.
  mutating func store(_ messages: [WorldMessage], _ topic: WorldTopic) {
    for (partition, own) in Dictionary(grouping: messages, by: \.partition) {
      let key = [generation, Int64(partition)]
      let next = positions[partition]?.next ?? 0
      let offsets = own.map(\.offset)
      #expect(offsets.first! >= next, "seed \(seed): the position of \(partition) goes back: \(offsets) at \(next)")
      #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed): out of order: \(offsets)")
      let before = stored[key]?.last?.incarnation ?? own[0].incarnation
      #expect(
        own.allSatisfy { $0.incarnation == before },
        "seed \(seed): \(partition) has messages of two topics in one generation")
      if own[0].incarnation == topic.incarnation {
        let skipped = topic.logs[partition]!.messages.map(\.offset).filter {
          (next...offsets.last!).contains($0) && !offsets.contains($0)
        }
        #expect(skipped.isEmpty, "seed \(seed): skipped in \(partition)")
      }
      positions[partition] = Catalog.Position(next: offsets.last! + 1, last: own.last!.mark)
      stored[key, default: []] += own
    }
  }
}

/// The client as librdkafka behaves: where each assigned partition is read, and what a poll brings.
struct WorldClient {
  enum Event {
    case message(WorldMessage)
    case end(Int32, Int64)
    case outOfRange(Int32)
  }

  private struct Reader {
    /// nil: it rests, since its position is not there.
    var position: Int64?
    var endShown: Int64?
  }

  private var readers: [Int32: Reader] = [:]
  private(set) var assignment = 0
  var isPaused = false

  var assigned: [Int32] { readers.keys.sorted() }

  private static func offset(_ start: KafkaConsumer.StartOffset, _ log: WorldTopic.Log) -> Int64 {
    switch start {
    case .beginning: log.low
    case .at(let offset): offset
    }
  }

  mutating func assign(_ partitions: [Int32], _ starts: [Int32: KafkaConsumer.StartOffset], _ topic: WorldTopic) {
    assignment += 1
    for partition in partitions {
      readers[partition] = Reader(position: Self.offset(starts[partition] ?? .beginning, topic.logs[partition]!))
    }
  }

  mutating func revoke() { readers = [:] }

  mutating func seek(_ partition: Int32, _ start: KafkaConsumer.StartOffset, _ topic: WorldTopic) {
    if readers[partition] != nil {
      readers[partition] = Reader(position: Self.offset(start, topic.logs[partition]!))
    }
  }

  mutating func poll(_ maximum: Int, _ topic: WorldTopic, _ numbers: inout SeededNumbers) -> [Event] {
    guard !isPaused else { return [] }
    var events: [Event] = []
    for partition in readers.keys.sorted().shuffled(using: &numbers) {
      while events.count < maximum, let position = readers[partition]?.position {
        let log = topic.logs[partition]!
        if position < log.low || position > log.end {
          readers[partition]!.position = nil
          events.append(.outOfRange(partition))
        } else if var message = log.first(from: position) {
          message.assignment = assignment
          readers[partition] = Reader(position: message.offset + 1)
          events.append(.message(message))
        } else {
          if readers[partition]!.endShown != log.end {
            readers[partition] = Reader(position: log.end, endShown: log.end)
            events.append(.end(partition, log.end))
          }
          break
        }
      }
    }
    return events
  }
}
