import DeadLetters
import Kafka
import Output
import Platform
import Telemetry
import Wire

/// The topic and the dead letters.
extension Audit {
  /// The group's committed offsets; none if this client may not read them.
  func committed(_ topic: TopicReader, _ count: Int) throws -> [Int32: KafkaConsumer.Commit] {
    do { return try topic.committed(count) } catch let error as KafkaError where error.isAuthorization {
      omit("the group's offsets: \(error)")
      return [:]
    }
  }

  /// Reports positions that are not where the consumers left them, and messages that were removed too early. While
  /// consumers work, both have to show twice.
  func reportPositions(
    _ topic: TopicReader, _ count: Int, _ output: OutputAudit, _ cluster: String
  ) throws {
    let suspects = result.partitions.filter { $0.value.displacement != nil || $0.value.lost != nil }
    guard !suspects.isEmpty else { return }
    let committed = try committed(topic, count)
    let positions = try output.presentPositions(of: topic.topic, cluster: cluster)
    let marks = try topic.marks(count)
    for (partition, before) in suspects.sorted(by: { $0.key < $1.key }) {
      guard let (low, high) = marks[partition] else { continue }
      let now = state(low, high, committed[partition], positions[partition], output)
      if let text = before.displacement, now.displacement != nil {
        found(AuditFinding(.positionMoved, "partition \(partition)", text), partition: partition)
      }
      if let lost = before.lost, now.lost?.lowerBound == lost.lowerBound {
        report(lost, partition)
      }
    }
  }

  func state(
    _ low: Int64, _ high: Int64, _ commit: KafkaConsumer.Commit?, _ position: Catalog.PartitionPosition?,
    _ output: OutputAudit?
  ) -> PartitionState {
    // The note of a consumer's commit ends with its catalog's identity.
    let isHere = output.map { commit?.note.hasSuffix(" " + $0.id) == true } ?? false
    return PartitionState(
      low: low, high: high, committed: commit?.offset, committedHere: isHere ? commit?.offset : nil,
      position: position)
  }

  private func report(_ lost: Range<Int64>, _ partition: Int32) {
    let text =
      "\(Quantity.count(lost.count, "message")) with the offsets \(lost.lowerBound) to \(lost.upperBound - 1) "
      + "were removed from the topic before they were stored"
    // With a ledger, the images are counted one by one.
    found(
      AuditFinding(.messagesLost, "partition \(partition)", text), partition: partition,
      count: result.hasLedger ? 0 : lost.count)
  }

  /// Without a ledger, it is not known which images are on the way. The messages are.
  func countMessages() {
    for (partition, state) in result.partitions {
      result.table.add(.onTheWay, partition: partition, state.unread)
    }
  }

  // MARK: Dead letters

  /// Reads the dead letters that wait to be sent back.
  func readDeadLetters() throws {
    let service = DeadLetterService(configuration, log: log, stop: stop) { [unowned self] entry in
      guard !entry.isReplayed, entry.origin.map({ $0.topic == configuration.consumer.topic }) ?? true else { return }
      let name = entry.image ?? entry.origin.map { "\($0.topic)/\($0.partition)/\($0.offset)" } ?? "without a name"
      deadLetters[name.pathKey] = entry
    }
    do { _ = try service.list() } catch let error as KafkaError where error.isAuthorization {
      omit("the dead letters: \(error)")
    }
  }

  /// Reports the dead letters whose images are not stored.
  func reportDeadLetters() {
    for (name, entry) in deadLetters.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let text = AuditFinding.Fault.deadLetter.meaning + (entry.kind.map { " (\($0))" } ?? "")
      found(
        AuditFinding(.deadLetter, String(decoding: name, as: UTF8.self), text), partition: entry.origin?.partition)
    }
  }
}
