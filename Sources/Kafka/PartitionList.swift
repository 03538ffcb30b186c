import Crdkafka
import Glibc

/// The library's list of partitions of one topic, which this object owns.
final class PartitionList {
  typealias Native = UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

  let pointer: Native

  init(_ topic: String, _ partitions: some Collection<Int32>) {
    pointer = rd_kafka_topic_partition_list_new(Int32(partitions.count))
    for partition in partitions { rd_kafka_topic_partition_list_add(pointer, topic, partition) }
  }

  /// Sorted by partition, so that the order of operations is always the same.
  /// - Parameter note: text that the group's coordinator keeps with each offset.
  init(_ topic: String, offsets: [Int32: Int64], note: String = "") {
    pointer = rd_kafka_topic_partition_list_new(Int32(offsets.count))
    for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
      let element = rd_kafka_topic_partition_list_add(pointer, topic, partition)!
      element.pointee.offset = offset
      // The list frees it.
      if !note.isEmpty {
        element.pointee.metadata = UnsafeMutableRawPointer(strdup(note))
        element.pointee.metadata_size = note.utf8.count
      }
    }
  }

  deinit {
    rd_kafka_topic_partition_list_destroy(pointer)
  }

  var elements: UnsafeMutableBufferPointer<rd_kafka_topic_partition_t> { Self.elements(of: pointer) }

  static func elements(
    of list: Native?
  ) -> UnsafeMutableBufferPointer<rd_kafka_topic_partition_t> {
    UnsafeMutableBufferPointer(start: list?.pointee.elems, count: Int(list?.pointee.cnt ?? 0))
  }

  /// The first partition that failed by itself while the whole succeeded.
  func firstError(of handle: Handle, _ topic: String, needs: MissingRight.Need? = nil) -> KafkaError? {
    elements.first { $0.err != RD_KAFKA_RESP_ERR_NO_ERROR }.map {
      handle.error($0.err, place(topic, $0.partition, $0.offset), needs: needs)
    }
  }
}
