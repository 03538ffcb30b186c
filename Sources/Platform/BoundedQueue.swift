/// A queue between threads that holds a bounded number of elements, first in, first out.
package final class BoundedQueue<Element: Sendable>: Sendable {
  private struct State {
    let capacity: Int
    /// A ring: `count` elements from `head` on. It grows to the capacity as that is needed.
    var slots: [Element?] = []
    var head = 0
    var count = 0
    var isClosed = false
    /// How many somebody waits for, who takes them all at once.
    var plenty = Int.max
    var isFull: Bool { count == capacity }

    init(capacity: Int) { self.capacity = capacity }

    mutating func add(_ element: Element) {
      if count == slots.count {
        slots = (0..<count).map { slots[(head + $0) % count] }
        slots += [Element?](repeating: nil, count: min(max(16, count), capacity - count))
        head = 0
      }
      slots[(head + count) % slots.count] = element
      count += 1
    }
  }

  private static var notEmpty: Int { 0 }
  private static var notFull: Int { 1 }
  private static var isPlenty: Int { 2 }

  private let monitor = Monitor(conditions: 3)
  // Touched under the monitor alone.
  nonisolated(unsafe) private var state: State

  /// - Parameter capacity: in elements, at least 1.
  package init(capacity: Int) {
    precondition(capacity > 0, "a queue needs room for at least one element")
    state = State(capacity: capacity)
  }

  /// Adds an element. Where the queue is full, blocks until half of it is taken.
  ///
  /// - Returns: false once the queue is closed; then the element is not in it.
  package func push(_ element: Element) -> Bool {
    monitor.locked {
      _ = monitor.wait(for: Self.notFull, until: nil) { !state.isFull || state.isClosed }
      return add(element)
    }
  }

  /// Adds an element unless the queue is full or closed; never blocks.
  package func tryPush(_ element: Element) -> Bool {
    monitor.locked { state.isFull ? false : add(element) }
  }

  /// Takes the oldest element, and blocks while there is none.
  ///
  /// - Parameter timeoutMilliseconds: nil waits without bound, 0 only looks.
  /// - Returns: nil once the time is over, or when the queue is closed and empty.
  package func pop(timeoutMilliseconds: Int?) -> Element? {
    let deadline = timeoutMilliseconds.map(Deadline.init(afterMilliseconds:))
    return monitor.locked {
      _ = monitor.wait(for: Self.notEmpty, until: deadline) { state.count > 0 || state.isClosed }
      return state.count == 0 ? nil : take()
    }
  }

  /// Takes what there is, oldest first, once there is something; then lets more gather.
  ///
  /// - Parameters:
  ///   - most: elements at most; it does not wait where there are so many.
  ///   - gatheringMilliseconds: how long it waits for more.
  /// - Returns: nothing when the queue is closed and empty.
  package func popAll(atMost most: Int, gatheringMilliseconds: Int) -> [Element] {
    monitor.locked {
      _ = monitor.wait(for: Self.notEmpty, until: nil) { state.count > 0 || state.isClosed }
      state.plenty = most
      let deadline = Deadline(afterMilliseconds: gatheringMilliseconds)
      _ = monitor.wait(for: Self.isPlenty, until: deadline) { state.count >= most || state.isClosed }
      state.plenty = .max
      return (0..<min(most, state.count)).map { _ in take()! }
    }
  }

  private func take() -> Element? {
    // Cleared, so that the ring does not keep alive what was taken.
    let element = state.slots[state.head].take()
    state.head = (state.head + 1) % state.slots.count
    state.count -= 1
    // Not for each: whoever adds goes on for a while then.
    if state.count == state.capacity / 2 { monitor.wakeAll(Self.notFull) }
    return element
  }

  /// Refuses further elements and wakes all who wait; what is in the queue can still be taken.
  package func close() {
    monitor.locked {
      state.isClosed = true
      monitor.wakeAll(Self.notEmpty)
      monitor.wakeAll(Self.notFull)
      monitor.wakeAll(Self.isPlenty)
    }
  }

  /// Closed and empty: nothing will ever come.
  package var isFinished: Bool { monitor.locked { state.isClosed && state.count == 0 } }

  /// Elements in the queue now.
  package var count: Int { monitor.locked { state.count } }

  private func add(_ element: Element) -> Bool {
    if state.isClosed { return false }
    state.add(element)
    monitor.wakeOne(Self.notEmpty)
    if state.count == state.plenty { monitor.wakeAll(Self.isPlenty) }
    return true
  }
}
