import Platform

/// How far outputs have dealt with the images' topic, and since when that is known. An image is lost only if an output
/// has passed it for a while: its receipt may be on its way, in another message.
struct PassedPositions {
  /// The positions that arrived within one second count as one.
  private struct Entry {
    var next: Int64
    let since: MonotonicClock.Instant
  }

  private var entries: [PassedPosition.Key: [Entry]] = [:]

  static let patience = Duration.seconds(10)
  private static let resolution = Duration.seconds(1)

  mutating func add(_ position: PassedPosition, now: MonotonicClock.Instant) {
    let key = position.key
    guard let last = entries[key]?.last, last.next <= position.next else {
      // The first position, or a step back: the output has less than it had.
      entries[key] = [Entry(next: position.next, since: now)]
      return
    }
    if last.next == position.next { return }
    if now - last.since < Self.resolution, entries[key]!.count > 1 {
      entries[key]![entries[key]!.count - 1].next = position.next
    } else {
      entries[key]!.append(Entry(next: position.next, since: now))
    }
  }

  /// The positions that have been known for long enough.
  mutating func settled(now: MonotonicClock.Instant) -> [PassedPosition] {
    var settled: [PassedPosition] = []
    for (key, list) in entries {
      guard let index = list.lastIndex(where: { now - $0.since >= Self.patience + Self.resolution }) else { continue }
      if index > 0 { entries[key]!.removeFirst(index) }
      settled.append(PassedPosition(output: key.output, partition: key.partition, next: list[index].next))
    }
    return settled
  }
}
