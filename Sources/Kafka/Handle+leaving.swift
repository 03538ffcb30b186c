import Crdkafka
import Platform
import Synchronization

extension Handle {
  /// Leaves the group, or stops reading. This has a thread of its own, so that the wait for it can be bounded: several
  /// of the library's calls wait for its main thread without limit.
  /// - Parameter isMember: false if there is no group to leave, but the library is still reading.
  func leave(isMember: Bool) {
    let isDone = StopFlag()
    let carried = Mutex<Handle?>(self)
    _ = BackgroundThread.start("kafka-leave") {
      let handle = carried.withLock { $0.take()! }
      if isMember { handle.leaveGroup() } else { rd_kafka_assign(handle.client, nil) }
      // Released first, so that the caller is the last holder, and waits until the client is destroyed.
      _ = consume handle
      isDone.set()
    }
    _ = isDone.wait(for: .seconds(6))
  }

  private func leaveGroup() {
    // The plain rd_kafka_consumer_close waits without limit.
    let closing = rd_kafka_queue_new(client)
    defer { rd_kafka_queue_destroy(closing) }
    // After a fatal error there is nothing to leave.
    if let error = rd_kafka_consumer_close_queue(client, closing) { return rd_kafka_error_destroy(error) }
    let deadline = Deadline(in: .seconds(5))
    while rd_kafka_consumer_closed(client) == 0, !deadline.hasPassed {
      var message: UnsafeMutablePointer<rd_kafka_message_t>?
      if rd_kafka_consume_batch_queue(closing, 50, &message, 1) == 1 { rd_kafka_message_destroy(message) }
    }
  }
}
