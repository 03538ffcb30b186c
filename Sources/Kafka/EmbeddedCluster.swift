import Crdkafka
import Platform

/// librdkafka's own small Kafka cluster, in this process and in memory, on free ports of 127.0.0.1. Any number of
/// clients may use it, including those of other processes. It stops soon after this object is released; clients that
/// are still open then find no broker.
///
/// It keeps 5 MiB or 100,000 batches of each partition and *silently* drops the oldest. It enforces no size limit, and
/// supports neither topic creation by a client nor topic settings.
package final class EmbeddedCluster: Sendable {
  private let cluster: Carried<OpaquePointer>
  // The cluster runs on this client and must be destroyed first.
  private let handle: Handle

  /// The `bootstrap.servers` for its clients.
  package let bootstrapServers: String

  /// - Parameter brokers: the number of brokers, at least 1.
  package init(brokers: Int = 1) throws(KafkaError) {
    handle = try Handle(RD_KAFKA_PRODUCER, KafkaSettings())
    guard let cluster = rd_kafka_mock_cluster_new(handle.client, Int32(clamping: max(1, brokers))) else {
      throw KafkaError(
        RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "embedded cluster", reason: "it cannot listen on 127.0.0.1")
    }
    self.cluster = Carried(value: cluster)
    bootstrapServers = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
  }

  deinit {
    // The library waits up to a second here for one of its own threads, which sleeps. The caller does not have to wait.
    _ = BackgroundThread.start("embedded-end") { [cluster, handle] in
      rd_kafka_mock_cluster_destroy(cluster.value)
      withExtendedLifetime(handle) {}
    }
  }

  /// Creates a topic. A topic that a client writes to or asks for is created too, with 4 partitions, whatever the
  /// client's `allow.auto.create.topics` says.
  ///
  /// - Throws: if the topic already exists.
  package func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
    let code = rd_kafka_mock_topic_create(cluster.value, name, Int32(clamping: partitions), 1)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, place(name)) }
  }

  /// Makes the next requests of a kind fail, one for each error, in that order.
  ///
  /// - Parameters:
  ///   - api: Kafka's number of the request: 0 is Produce, 1 is Fetch, 8 is OffsetCommit.
  ///   - errors: error codes as ``KafkaError/code``; -195 (`_TRANSPORT`) cuts the connection instead of answering.
  func failNextRequests(api: Int16, errors: [Int32]) {
    let codes = errors.map { rd_kafka_resp_err_t(rawValue: $0) }
    rd_kafka_mock_push_request_errors_array(cluster.value, api, codes.count, codes)
  }

  /// Removes the failures that have not occurred yet.
  func clearFailures(api: Int16) { rd_kafka_mock_clear_request_errors(cluster.value, api) }

  /// Makes the cluster answer every request about a topic with an error: 3 is "no such topic", 0 removes the error.
  func setTopicError(_ topic: String, _ code: Int32) {
    rd_kafka_mock_topic_set_error(cluster.value, topic, rd_kafka_resp_err_t(rawValue: code))
  }

  /// Cuts all connections and refuses new ones while down.
  func setDown(_ isDown: Bool) {
    // The library closes its socket and binds the port again, and aborts if a process that is being started has it too.
    Spawning.alone {
      if isDown {
        rd_kafka_mock_broker_set_down(cluster.value, -1)
      } else {
        rd_kafka_mock_broker_set_up(cluster.value, -1)
      }
    }
  }
}
