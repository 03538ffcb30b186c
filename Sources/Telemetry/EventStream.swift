import Synchronization

/// The writing end of a stream of server-sent events. Any thread may send.
package final class EventStream: Sendable {
  private enum State {
    /// The server has not sent the response's head yet.
    case waiting([UInt8])
    case open(@Sendable ([UInt8]) -> Void)
    case closed
  }

  private let state = Mutex(State.waiting([]))

  package init() {}

  /// Whether the client has left, or was too slow. What is sent after that is discarded.
  package var isClosed: Bool {
    state.withLock { if case .closed = $0 { true } else { false } }
  }

  /// Sends an event.
  /// - Parameters:
  ///   - id: what the browser sends as `Last-Event-ID` when it connects again, without line ends; nil: the last one stays.
  ///   - data: each of its lines becomes a line of the event.
  package func send(_ event: String, id: String?, data: String) {
    var text = "event: \(event)\n" + (id.map { "id: \($0)\n" } ?? "")
    for line in data.split(separator: "\n", omittingEmptySubsequences: false) { text += "data: \(line)\n" }
    send(Array((text + "\n").utf8))
  }

  func send(_ bytes: [UInt8]) {
    state.withLock {
      switch $0 {
      case .waiting(let earlier): $0 = .waiting(earlier + bytes)
      case .open(let write): write(bytes)
      case .closed: break
      }
    }
  }

  /// - Parameter write: called with bytes in the order in which they were sent, under a lock.
  func open(_ write: @escaping @Sendable ([UInt8]) -> Void) {
    state.withLock {
      guard case .waiting(let earlier) = $0 else { return }
      if !earlier.isEmpty { write(earlier) }
      $0 = .open(write)
    }
  }

  func close() { state.withLock { $0 = .closed } }
}
