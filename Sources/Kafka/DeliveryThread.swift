import Crdkafka
import Platform
import Synchronization

/// Takes delivery reports from the library until it is stopped, then purges the remaining messages and reports them.
///
/// It has no reference to its producer, so it does not keep the producer alive.
final class DeliveryThread: Sendable {
  private enum Phase { case open, closing }

  private struct State {
    var phase = Phase.open
    var senders = 0
    var queue: Carried<OpaquePointer>?
    var handle: Handle?
    var thread: BackgroundThread?
  }

  private let state: Mutex<State>
  /// A closure in a struct. A `Mutex` of a closure would wrap it once more at each access, and each call would need a
  /// deeper stack than the one before.
  private struct Handler { let handle: @Sendable (DeliveryReport) -> Void }

  private let handler: Mutex<Handler?>
  private let isFinished = StopFlag()

  init(handle: Handle) {
    let queue = Carried(value: rd_kafka_queue_get_main(handle.client)!)
    state = Mutex(State(queue: queue, handle: handle))
    handler = Mutex(nil)
  }

  /// Sets what receives the reports. To be called before the first message is sent.
  func report(to onDelivery: @escaping @Sendable (DeliveryReport) -> Void) {
    handler.withLock { $0 = Handler(handle: onDelivery) }
  }

  func start() {
    let thread = BackgroundThread.start("kafka-delivery") { self.run() }
    state.withLock { $0.thread = thread }
  }

  /// Whether the caller runs within `onDelivery`.
  var isCurrent: Bool { state.withLock { $0.thread }?.isCurrent ?? false }

  /// Valid only between `enter` and `leave`.
  var handle: Handle { state.withLock { $0.handle! } }

  /// Registers a sender; false if the thread is already closing.
  func enter() -> Bool {
    state.withLock { state in
      guard state.phase == .open else { return false }
      state.senders += 1
      return true
    }
  }

  func leave() {
    state.withLock { $0.senders -= 1 }
  }

  /// Stops the thread and waits for it, at most 11 s.
  func stop() {
    let thread = state.withLock { state in
      state.phase = .closing
      // Under the lock, because the thread releases the queue under it.
      if let queue = state.queue { rd_kafka_queue_yield(queue.value) }
      return state.thread
    }
    guard let thread, !thread.isCurrent, isFinished.wait(for: .seconds(11)) else { return }
    // The thread has nothing left to do. Without the join, a caller that keeps the client keeps a finished thread.
    thread.join()
  }

  private func run() {
    let (handle, queue) = state.withLock { ($0.handle!, $0.queue!.value) }
    while state.withLock({ $0.phase }) == .open {
      serve(queue, of: handle, timeout: .seconds(1))
    }
    // A sender that has entered may still be queueing. It does not block, so this is short.
    while state.withLock({ $0.senders }) > 0 {
      serve(queue, of: handle, timeout: .milliseconds(1))
    }
    // Messages move between the library's queues during a purge, so one purge is not always enough.
    let deadline = Deadline(in: .seconds(5))
    while rd_kafka_outq_len(handle.client) > 0, !deadline.hasPassed {
      rd_kafka_purge(handle.client, purgeAll)
      serve(queue, of: handle, timeout: .milliseconds(50))
    }
    state.withLock { state in
      state.queue = nil
      rd_kafka_queue_destroy(queue)
    }
    finish(handle)
  }

  /// Releases the handle. This is its last holder, except for calls in progress, and waits until the library has shut
  /// down.
  private func finish(_ handle: consuming Handle) {
    handle.context.close()
    // The handler may hold the client.
    handler.withLock { $0 = nil }
    state.withLock { $0.handle = nil }
    _ = consume handle
    isFinished.set()
  }

  private func serve(_ queue: OpaquePointer, of handle: Handle, timeout: Duration) {
    guard let event = rd_kafka_queue_poll(queue, Int32(clamping: timeout.inMilliseconds)) else { return }
    switch rd_kafka_event_type(event) {
    case RD_KAFKA_EVENT_DR:
      let handler = handler.withLock { $0 }
      precondition(handler != nil, "a message was sent before anybody could receive its report")
      while let message = rd_kafka_event_message_next(event) {
        handler?.handle(DeliveryReport(message, of: handle))
      }
    case RD_KAFKA_EVENT_ERROR:
      let reason = rd_kafka_event_error_string(event).map { String(cString: $0) } ?? ""
      let code = rd_kafka_event_error(event)
      if rd_kafka_event_error_is_fatal(event) != 0 {
        handle.context.report(RD_KAFKA_RESP_ERR__FATAL, reason, of: handle.client)
      } else {
        handle.context.report(code, reason, of: handle.client)
      }
    default: break
    }
    rd_kafka_event_destroy(event)
  }
}
