/// A first-in, first-out queue between threads that holds a bounded number of elements.
package final class BoundedQueue<Element: Sendable>: Sendable {
  private struct State {
    let capacity: Int
    /// A ring buffer: `count` elements starting at `head`. It grows up to the capacity when needed.
    var slots: [Element?] = []
    var head = 0
    var count = 0
    var isClosed = false
    /// The element count that a `popAll` call waits for; `Int.max` if none waits.
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
  // Accessed only under the monitor.
  nonisolated(unsafe) private var state: State

  /// - Parameter capacity: in elements, at least 1.
  package init(capacity: Int) {
    precondition(capacity > 0, "a queue needs room for at least one element")
    state = State(capacity: capacity)
  }

  /// Adds an element. If the queue is full, blocks until it has drained to half of its capacity.
  ///
  /// - Returns: false if the queue is closed; the element is not added then.
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

  /// Takes the oldest element; blocks while the queue is empty.
  ///
  /// - Parameter timeout: nil waits without limit, zero does not wait.
  /// - Returns: nil after the timeout, or if the queue is closed and empty.
  package func pop(timeout: Duration?) -> Element? {
    let deadline = timeout.map(Deadline.init(in:))
    return monitor.locked {
      _ = monitor.wait(for: Self.notEmpty, until: deadline) { state.count > 0 || state.isClosed }
      return state.count == 0 ? nil : take()
    }
  }

  /// Waits for the first element, lets more gather, then takes them all, oldest first.
  ///
  /// - Parameters:
  ///   - most: the maximum number of elements to take. Gathering stops once the queue holds that many.
  ///   - gathering: how long to wait for more elements after the first.
  /// - Returns: an empty array if the queue is closed and empty.
  package func popAll(atMost most: Int, gathering: Duration) -> [Element] {
    monitor.locked {
      _ = monitor.wait(for: Self.notEmpty, until: nil) { state.count > 0 || state.isClosed }
      state.plenty = most
      let deadline = Deadline(in: gathering)
      _ = monitor.wait(for: Self.isPlenty, until: deadline) { state.count >= most || state.isClosed }
      state.plenty = .max
      return (0..<min(most, state.count)).map { _ in take()! }
    }
  }

  private func take() -> Element? {
    // Cleared so that the ring does not keep the element alive.
    let element = state.slots[state.head].take()
    state.head = (state.head + 1) % state.slots.count
    state.count -= 1
    // Waiting producers are woken only at half capacity, so that each of them can add many elements per wake-up.
    if state.count == state.capacity / 2 { monitor.wakeAll(Self.notFull) }
    return element
  }

  /// Refuses further elements and wakes all waiting threads. Elements in the queue can still be taken.
  package func close() {
    monitor.locked {
      state.isClosed = true
      monitor.wakeAll(Self.notEmpty)
      monitor.wakeAll(Self.notFull)
      monitor.wakeAll(Self.isPlenty)
    }
  }

  /// True once the queue is closed and empty: no more elements can arrive.
  package var isFinished: Bool { monitor.locked { state.isClosed && state.count == 0 } }

  /// The number of elements in the queue now.
  package var count: Int { monitor.locked { state.count } }

  private func add(_ element: Element) -> Bool {
    if state.isClosed { return false }
    state.add(element)
    monitor.wakeOne(Self.notEmpty)
    if state.count == state.plenty { monitor.wakeAll(Self.isPlenty) }
    return true
  }
}
