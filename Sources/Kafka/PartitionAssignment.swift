import Crdkafka
import Platform

/// The partitions that a consumer reads, and their positions. It tells the library, and remembers what the library does
/// not tell: the next offset of each partition, the partitions that the library has stopped reading, and a pause.
final class PartitionAssignment {
  private let topic: String
  private var assigned: Set<Int32> = []
  /// The next offset of each assigned partition, in the library's form: a number, or its mark for the beginning.
  private(set) var positions: [Int32: Int64] = [:]
  /// Partitions whose position does not exist, so that the library does not read them.
  private var resting: Set<Int32> = []
  private var isPaused = false

  init(topic: String) { self.topic = topic }

  /// Ascending.
  var partitions: [Int32] { assigned.sorted() }
  var isEmpty: Bool { assigned.isEmpty }
  func contains(_ partition: Int32) -> Bool { assigned.contains(partition) }

  // MARK: Changes by the group

  /// Adds the partitions of a list, and sets their positions in it. One without a start begins at the beginning.
  func add(
    _ list: PartitionList.Native?, from starts: [Int32: KafkaConsumer.StartOffset], _ client: OpaquePointer
  ) -> KafkaError? {
    let partitions = PartitionList.elements(of: list).map(\.partition)
    let beginnings = beginnings(of: partitions.filter { starts[$0] == nil || starts[$0] == .beginning }, client)
    for index in partitions.indices {
      let partition = partitions[index]
      let start = beginnings[partition] ?? (starts[partition] ?? .beginning).native
      list!.pointee.elems[index].offset = start
      positions[partition] = start
    }
    let error = assign(client, list)
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

  /// Forgets revoked partitions.
  func forget(_ partitions: [Int32]) {
    assigned.subtract(partitions)
    resting.subtract(partitions)
    for partition in partitions { positions[partition] = nil }
  }

  /// Makes the library stop reading partitions that were forgotten.
  func release(_ list: PartitionList.Native?, _ client: OpaquePointer) -> KafkaError? {
    unpause(list, client)
    return unassign(client, list)
  }

  /// Makes the library stop reading anything at all.
  func releaseAll(_ partitions: [Int32], _ client: OpaquePointer) -> KafkaError? {
    let list = PartitionList(topic, partitions)
    unpause(list.pointer, client)
    return replace(client, nil)
  }

  /// The library remembers a pause beyond the assignment, and `resume` reaches only the partitions assigned by then.
  private func unpause(_ list: PartitionList.Native?, _ client: OpaquePointer) {
    if isPaused { rd_kafka_resume_partitions(client, list) }
  }

  /// A cooperative assignor moves single partitions; an eager one moves all of them.
  private func assign(_ client: OpaquePointer, _ list: PartitionList.Native?) -> KafkaError? {
    guard isCooperative(client) else { return replace(client, list) }
    return rd_kafka_incremental_assign(client, list).map { KafkaError(consuming: $0, place(topic)) }
  }

  private func unassign(_ client: OpaquePointer, _ list: PartitionList.Native?) -> KafkaError? {
    guard isCooperative(client) else { return replace(client, nil) }
    return rd_kafka_incremental_unassign(client, list).map { KafkaError(consuming: $0, place(topic)) }
  }

  private func replace(_ client: OpaquePointer, _ list: PartitionList.Native?) -> KafkaError? {
    let code = rd_kafka_assign(client, list)
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(code, place(topic))
  }

  private func isCooperative(_ client: OpaquePointer) -> Bool {
    rd_kafka_rebalance_protocol(client).map { String(cString: $0) } == "COOPERATIVE"
  }

  // MARK: Positions

  /// A message was read.
  func passed(_ partition: Int32, _ offset: Int64) { positions[partition] = offset + 1 }

  /// The position of a partition does not exist, so the library has stopped reading it.
  func rest(_ partition: Int32) { resting.insert(partition) }

  /// Continues a partition at another offset. Waits up to 5 s if an assignment is still taking effect.
  func seek(_ partition: Int32, to offset: Int64, _ handle: Handle) throws(KafkaError) {
    if resting.contains(partition) { return try restart(partition, at: offset, handle) }
    let deadline = Deadline(in: .seconds(5))
    while let failure = trySeek(partition, to: offset, handle) {
      // The partition is assigned, but the library's own thread has not begun to read it, or has not ended an earlier
      // read.
      let isPassing =
        failure.isTimedOut
        || [RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS].contains { $0.rawValue == failure.code }
      guard isPassing, contains(partition), !deadline.hasPassed else { throw failure }
      deadline.pause(for: .milliseconds(10))
    }
    positions[partition] = offset
  }

  private func trySeek(_ partition: Int32, to offset: Int64, _ handle: Handle) -> KafkaError? {
    let list = PartitionList(topic, offsets: [partition: offset])
    if let error = rd_kafka_seek_partitions(handle.client, list.pointer, 1000) {
      return KafkaError(consuming: error, place(topic, partition, offset))
    }
    let code = list.elements[0].err
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : handle.error(code, place(topic, partition, offset))
  }

  /// The library refuses to seek in a partition that it has stopped reading: only an assignment restarts it. An eager
  /// assignment covers all partitions at once, so the others start again at their positions.
  private func restart(_ partition: Int32, at offset: Int64, _ handle: Handle) throws(KafkaError) {
    positions[partition] = offset
    if isCooperative(handle.client) {
      let list = PartitionList(topic, offsets: [partition: offset])
      if let error = unassign(handle.client, list.pointer) ?? assign(handle.client, list.pointer) { throw error }
    } else {
      let list = PartitionList(topic, offsets: positions.filter { contains($0.key) })
      if let error = replace(handle.client, list.pointer) { throw error }
    }
    resting.remove(partition)
    if isPaused { try change(handle, rd_kafka_pause_partitions) }
  }

  // MARK: Pause

  func pause(_ handle: Handle) throws(KafkaError) {
    isPaused = true
    try change(handle, rd_kafka_pause_partitions)
  }

  func resume(_ handle: Handle) throws(KafkaError) {
    // librdkafka 2.0.2 rewinds a partition that is resumed without having been paused: its messages would arrive twice.
    guard isPaused else { return }
    isPaused = false
    try change(handle, rd_kafka_resume_partitions)
  }

  private func change(
    _ handle: Handle, _ call: (OpaquePointer?, PartitionList.Native?) -> rd_kafka_resp_err_t
  ) throws(KafkaError) {
    guard !isEmpty else { return }
    let list = PartitionList(topic, partitions)
    let code = call(handle.client, list.pointer)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw handle.error(code, place(topic)) }
    if let error = list.firstError(of: handle, topic) { throw error }
  }
}
