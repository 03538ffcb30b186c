import Crdkafka

extension KafkaConsumer {
  /// The offset after a partition's last message, as reported by the last fetch; sends no request. nil before the first
  /// fetch.
  package func knownEnd(partition: Int32) -> Int64? {
    guard let handle = openHandle else { return nil }
    var low: Int64 = 0
    var high: Int64 = 0
    let code = rd_kafka_get_watermark_offsets(handle.client, topic, partition, &low, &high)
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : nil
  }
}
