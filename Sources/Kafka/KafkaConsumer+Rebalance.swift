import Crdkafka
import Platform

/// Handles assignments and revocations by the group. The library calls this within `poll` and while closing.
extension KafkaConsumer {
  fileprivate func rebalance(
    _ code: rd_kafka_resp_err_t, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, _ client: OpaquePointer
  ) {
    let partitions = PartitionList.elements(of: list).map(\.partition)
    switch code {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS: report(assign(partitions, list, client))
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
      revoked(partitions)
      // The library remembers a pause beyond the assignment, and `resumeAll` reaches only the partitions assigned by
      // then.
      if isPaused { rd_kafka_resume_partitions(client, list) }
      report(remove(client, list))
    default:
      // The library asks to be brought to a known state.
      let all = PartitionList(topic, assigned.sorted())
      if isPaused { rd_kafka_resume_partitions(client, all.pointer) }
      revoked(assigned.sorted())
      report(replace(client, nil))
      batch.append(.failure(KafkaError(code, place(topic))))
    }
    wake()
  }

  /// Reads these partitions without joining the group, for a consumer that shares its work with nobody. `onAssigned`
  /// and `poll` treat it like an assignment by the group. Use it instead of `subscribe`.
  package func assign(_ partitions: [Int32]) throws(KafkaError) {
    let handle = try handle(for: place(topic))
    handle.connect(within: Deadline(in: .seconds(1)))
    let list = PartitionList(topic, partitions)
    if let error = assign(partitions, list.pointer, handle.client) { throw error }
  }

  private func assign(
    _ partitions: [Int32], _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, _ client: OpaquePointer
  ) -> KafkaError? {
    let starts = onAssigned?(partitions) ?? [:]
    let beginnings = beginnings(of: partitions.filter { starts[$0] == nil || starts[$0] == .beginning }, client)
    for index in PartitionList.elements(of: list).indices {
      let partition = list!.pointee.elems[index].partition
      let start = beginnings[partition] ?? (starts[partition] ?? .beginning).native
      list!.pointee.elems[index].offset = start
      positions[partition] = start
    }
    let error = add(client, list)
    assigned.formUnion(partitions)
    // A caller that paused everything did so for lack of room, so there is no room for new partitions either.
    if isPaused { rd_kafka_pause_partitions(client, list) }
    return error
  }

  /// The first offsets of partitions, as far as their leaders report them. If the library has just learned of a
  /// partition, its own request would come half a second later.
  private func beginnings(of partitions: [Int32], _ client: OpaquePointer) -> [Int32: Int64] {
    guard !partitions.isEmpty else { return [:] }
    let asked = PartitionList(
      topic, offsets: Dictionary(uniqueKeysWithValues: partitions.map { ($0, Int64(RD_KAFKA_OFFSET_BEGINNING)) }))
    _ = rd_kafka_offsets_for_times(client, asked.pointer, 1_000)
    return asked.elements.reduce(into: [:]) { found, answer in
      if answer.err == RD_KAFKA_RESP_ERR_NO_ERROR, answer.offset >= 0 { found[answer.partition] = answer.offset }
    }
  }

  func revoked(_ partitions: [Int32]) {
    forgetEvents(of: partitions)
    assigned.subtract(partitions)
    resting.subtract(partitions)
    for partition in partitions { positions[partition] = nil }
    onRevoked?(partitions)
  }

  private func report(_ error: KafkaError?) {
    if let error { batch.append(.failure(error)) }
  }

  /// A cooperative assignor moves single partitions; an eager one moves all of them.
  func add(
    _ client: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
  ) -> KafkaError? {
    guard isCooperative(client) else { return replace(client, list) }
    return rd_kafka_incremental_assign(client, list).map { KafkaError(consuming: $0, place(topic)) }
  }

  func remove(
    _ client: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
  ) -> KafkaError? {
    guard isCooperative(client) else { return replace(client, nil) }
    return rd_kafka_incremental_unassign(client, list).map { KafkaError(consuming: $0, place(topic)) }
  }

  func replace(
    _ client: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
  ) -> KafkaError? {
    let code = rd_kafka_assign(client, list)
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(code, place(topic))
  }

  func isCooperative(_ client: OpaquePointer) -> Bool {
    rd_kafka_rebalance_protocol(client).map { String(cString: $0) } == "COOPERATIVE"
  }

  fileprivate func committed(
    _ code: rd_kafka_resp_err_t, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
  ) {
    // Having nothing to commit is not a failure.
    if code == RD_KAFKA_RESP_ERR__NO_OFFSET { return }
    let failed = PartitionList.elements(of: list).first { $0.err != RD_KAFKA_RESP_ERR_NO_ERROR }
    if let failed {
      batch.append(.commitFailed(refusal(failed.err, "commit of " + place(topic, failed.partition, failed.offset))))
    } else if code != RD_KAFKA_RESP_ERR_NO_ERROR {
      batch.append(.commitFailed(refusal(code, "commit of " + place(topic))))
    } else {
      return
    }
    wake()
  }

  private func refusal(_ code: rd_kafka_resp_err_t, _ place: String) -> KafkaError {
    openHandle?.error(code, place, needs: needs) ?? KafkaError(code, place)
  }
}

typealias PartitionListCallback =
  @convention(c) (
    OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
    UnsafeMutableRawPointer?
  ) -> Void

let rebalanceCallback: PartitionListCallback = { client, code, list, opaque in
  guard let client else { return }
  if let consumer = ClientContext.of(opaque)?.consumer {
    consumer.rebalance(code, list, client)
  } else {
    // The consumer is being freed. Nobody is left to ask, but the library waits for an answer.
    rd_kafka_assign(client, nil)
  }
}

let commitCallback: PartitionListCallback = { _, code, list, opaque in
  ClientContext.of(opaque)?.consumer?.committed(code, list)
}
