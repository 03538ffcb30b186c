import Cluster
import Kafka
import Messaging
import Output
import Platform

/// What is handed out of a topic, what of it is stored, and how much is left.
extension TopicReader {
  // MARK: Batches

  /// True where what waits should be stored: enough of it, for long enough, or nothing more is coming.
  func isDue(room: Int, bytes: Int, quiet: Bool) -> Bool {
    guard !waiting.isEmpty else { return false }
    return waiting.count >= room || waitingBytes >= bytes || quiet
      || Clock.monotonicMilliseconds - waitingSince >= 100
  }

  /// - Parameter room: the most messages.
  func takeBatch(room: Int) -> ImageStore.Batch {
    let messages = Array(waiting.prefix(room))
    waiting.removeFirst(messages.count)
    waitingBytes = waiting.reduce(0) { $0 + $1.size }
    wakeFetchers()
    var batch = ImageStore.Batch(topic: topic, messages: messages, base: base(of: messages))
    batch.follows = handedOut.filter { batch.base.keys.contains($0.key) }
    for message in messages { handedOut[message.partition] = message.offset + 1 }
    return batch
  }

  /// False where something that was handed out before this batch is not stored: what is not stored must not be passed over.
  func isNext(_ batch: ImageStore.Batch) -> Bool {
    batch.follows.allSatisfy { partition, end in (trackers[partition]?.stored?.next ?? 0) >= end }
  }

  /// Where these messages' partitions are stored up to.
  func base(of messages: [any Message]) -> [Int32: Catalog.Position?] {
    messages.reduce(into: [:]) { $0[$1.partition] = .some(trackers[$1.partition]?.stored) }
  }

  private func wakeFetchers() {
    var left: [Int32: Int64] = [:]
    for (partition, tracker) in trackers {
      // Where nothing has been fetched yet, nobody knows how much there is.
      let some = consumer.knownEnd(partition: partition).map { $0 - tracker.expected } ?? Int64(UInt32.max)
      if some > 0 { left[partition] = some }
    }
    inquiry.wakeFetchers(left: left)
  }

  /// False where the messages of a batch are another topic's than what is stored: the next pump begins it anew.
  func isStillOf(_ batch: ImageStore.Batch) throws -> Bool {
    for (partition, position) in batch.base {
      guard let last = position?.last, try doubt?.isConfirmed(partition, last) == false else { continue }
      topicIsNew = true
      return false
    }
    return true
  }

  /// To be called every now and then with everything stored: nothing else would tell that the topic was made anew and
  /// ends where it did.
  func lookForAnotherTopic() {
    let marks = trackers.compactMapValues { $0.stored?.last }
    if doubt?.isAnother(marks) == true { topicIsNew = true }
  }

  /// The catalog has these now; Kafka is told too, for those who watch the group.
  func committed(_ positions: [Int32: Catalog.Position]) {
    for (partition, position) in positions { trackers[partition]?.committed(position) }
    events.lag = lag
    commit()
  }

  private func commit() {
    let commits = trackers.compactMapValues(\.committable)
    guard !commits.isEmpty, commits != lastCommits, Clock.monotonicMilliseconds >= nextCommit else { return }
    lastCommits = commits
    consumer.commit(commits)
    FaultPoint.offsetsCommitted.reached()
  }

  func commitAndWait(timeoutMilliseconds: Int) {
    let commits = trackers.compactMapValues(\.committable)
    guard !commits.isEmpty else { return }
    do { try consumer.commitAndWait(commits, timeoutMilliseconds: timeoutMilliseconds) } catch {
      log.warning(
        "the group's offsets could not be committed, which only monitoring will notice: \(KafkaErrorFix.described(error))"
      )
    }
  }

  /// How many partitions the topic has now; nil where the broker does not say it.
  func partitionCount() -> Int? { try? consumer.partitionCount(of: topicName, timeoutMilliseconds: 5_000) }

  // MARK: How much is left

  /// Messages of the assigned partitions that are not stored, as far as the last fetches tell, or their leaders where nothing
  /// is fetched.
  var lag: Int {
    trackers.reduce(0) { sum, entry in
      let ends = [consumer.knownEnd(partition: entry.key), inquiry.end(of: entry.key)]
      guard let high = ends.compactMap(\.self).max() else { return sum }
      return sum + Int(max(0, high - (entry.value.committable ?? 0)))
    }
  }

  /// True where everything in the assigned partitions is stored, to the end that the broker has shown.
  var isCaughtUp: Bool {
    wasAssigned && !isStale && !topicIsNew && waiting.isEmpty && trackers.values.allSatisfy(\.isAtEnd)
  }

  /// Behind the last message there may be control records: whoever waits for the group's end wants to see it reached.
  func commitEnds() { if isCaughtUp { commit() } }
}
