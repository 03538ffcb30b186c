import Platform

/// Keeps the uploads of one name in the order of their batches, although batches are sent at the same time. An object
/// that was replaced out of order would not show which version came between. A look at an object waits for earlier uploads,
/// but none waits for a look: an object shows which versions were there before.
final class NameOrder: @unchecked Sendable {
  private let monitor = Monitor(conditions: 1)
  // Accessed only under the monitor.
  /// The last batch of each name that is under way.
  private var last: [[UInt8]: Int] = [:]
  private var underWay: [Int: Set<[UInt8]>] = [:]
  private var next = 0

  /// A batch's turn.
  struct Turn {
    fileprivate let number: Int
    fileprivate let after: Set<Int>
  }

  /// To be called in the order of the batches.
  /// - Parameters:
  ///   - names: of the images that the batch sends.
  ///   - looks: names of objects that it looks at.
  func turn(for names: Set<[UInt8]>, lookingAt looks: Set<[UInt8]>) -> Turn {
    monitor.locked {
      let number = next
      next += 1
      let after = Set(names.union(looks).compactMap { last[$0] })
      for name in names { last[name] = number }
      underWay[number] = names
      return Turn(number: number, after: after)
    }
  }

  /// Waits until earlier batches with one of these names have ended, and runs `body`. To be called once for each turn.
  func take<T>(_ turn: Turn, _ body: () throws -> T) rethrows -> T {
    monitor.locked { _ = monitor.wait(for: 0, until: nil) { turn.after.allSatisfy { underWay[$0] == nil } } }
    defer { end(turn) }
    return try body()
  }

  private func end(_ turn: Turn) {
    monitor.locked {
      for name in underWay.removeValue(forKey: turn.number) ?? [] where last[name] == turn.number { last[name] = nil }
      monitor.wakeAll(0)
    }
  }
}
