/// A queue between threads that holds a bounded number of elements, first in, first out.
public final class BoundedQueue<Element: Sendable>: Sendable {
  private struct State {
    /// A ring: `count` elements from `head` on.
    var slots: [Element?]
    var head = 0
    var count = 0
    var isClosed = false
    var isFull: Bool { count == slots.count }
  }

  private static var notEmpty: Int { 0 }
  private static var notFull: Int { 1 }

  private let monitor = Monitor(conditions: 2)
  // Touched under the monitor alone.
  nonisolated(unsafe) private var state: State

  /// - Parameter capacity: in elements, at least 1.
  public init(capacity: Int) {
    precondition(capacity > 0, "a queue needs room for at least one element")
    state = State(slots: Array(repeating: nil, count: capacity))
  }

  /// Adds an element, and blocks while the queue is full.
  ///
  /// - Returns: false once the queue is closed; then the element is not in it.
  public func push(_ element: Element) -> Bool {
    monitor.locked {
      _ = monitor.wait(for: Self.notFull, until: nil) { !state.isFull || state.isClosed }
      return add(element)
    }
  }

  /// Adds an element unless the queue is full or closed; never blocks.
  public func tryPush(_ element: Element) -> Bool {
    monitor.locked { state.isFull ? false : add(element) }
  }

  /// Takes the oldest element, and blocks while there is none.
  ///
  /// - Parameter timeoutMilliseconds: nil waits without bound, 0 only looks.
  /// - Returns: nil once the time is over, or when the queue is closed and empty.
  public func pop(timeoutMilliseconds: Int?) -> Element? {
    let deadline = timeoutMilliseconds.map(Deadline.init(afterMilliseconds:))
    return monitor.locked {
      _ = monitor.wait(for: Self.notEmpty, until: deadline) { state.count > 0 || state.isClosed }
      if state.count == 0 { return nil }
      // Cleared, so that the ring does not keep alive what was taken.
      let element = state.slots[state.head].take()
      state.head = (state.head + 1) % state.slots.count
      state.count -= 1
      monitor.wakeOne(Self.notFull)
      return element
    }
  }

  /// Refuses further elements and wakes all who wait; what is in the queue can still be taken.
  public func close() {
    monitor.locked {
      state.isClosed = true
      monitor.wakeAll(Self.notEmpty)
      monitor.wakeAll(Self.notFull)
    }
  }

  /// Closed and empty: nothing will ever come.
  public var isFinished: Bool { monitor.locked { state.isClosed && state.count == 0 } }

  /// Elements in the queue now.
  public var count: Int { monitor.locked { state.count } }

  private func add(_ element: Element) -> Bool {
    if state.isClosed { return false }
    state.slots[(state.head + state.count) % state.slots.count] = element
    state.count += 1
    monitor.wakeOne(Self.notEmpty)
    return true
  }
}
