import Crdkafka
import Platform

/// librdkafka's own small Kafka, within this process and in memory, on free ports of 127.0.0.1. Any number of clients may
/// use it, of other processes too. It ends soon after this object; clients that are still open then find no broker.
///
/// It keeps 5 MiB or 100,000 batches of a partition and forgets the oldest *silently*; it enforces no size limit, and
/// knows neither the making of topics by a client nor their settings.
package final class EmbeddedCluster: Sendable {
  private let cluster: Carried<OpaquePointer>
  // The cluster runs on this client's behalf, and must go first.
  private let handle: Handle

  /// Clients find it by this `bootstrap.servers`.
  package let bootstrapServers: String

  /// - Parameter brokers: how many, at least 1.
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
    // The library waits up to a second here, for a thread of its own that sleeps. Nobody else has to.
    _ = BackgroundThread.start("embedded-end") { [cluster, handle] in
      rd_kafka_mock_cluster_destroy(cluster.value)
      withExtendedLifetime(handle) {}
    }
  }

  /// Makes a topic. A topic that a client writes or asks for is made too, with 4 partitions, whatever the client's
  /// `allow.auto.create.topics` says.
  ///
  /// - Throws: when it is there already.
  package func createTopic(_ name: String, partitions: Int) throws(KafkaError) {
    let code = rd_kafka_mock_topic_create(cluster.value, name, Int32(clamping: partitions), 1)
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(code, place(name)) }
  }

  /// Lets the next requests of a kind fail, one for each error, in that order.
  ///
  /// - Parameters:
  ///   - api: Kafka's number of the request: 0 is Produce, 1 Fetch, 8 OffsetCommit.
  ///   - errors: error codes as ``KafkaError/code``; -195 (`_TRANSPORT`) cuts the connection instead of answering.
  func failNextRequests(api: Int16, errors: [Int32]) {
    let codes = errors.map { rd_kafka_resp_err_t(rawValue: $0) }
    rd_kafka_mock_push_request_errors_array(cluster.value, api, codes.count, codes)
  }

  /// Takes back what of that has not come to pass.
  func clearFailures(api: Int16) { rd_kafka_mock_clear_request_errors(cluster.value, api) }

  /// Lets the cluster answer every question about a topic with an error: 3 is "no such topic", 0 ends it.
  func setTopicError(_ topic: String, _ code: Int32) {
    rd_kafka_mock_topic_set_error(cluster.value, topic, rd_kafka_resp_err_t(rawValue: code))
  }

  /// Cuts all connections and refuses new ones, until brought back.
  func setDown(_ isDown: Bool) {
    if isDown {
      rd_kafka_mock_broker_set_down(cluster.value, -1)
    } else {
      rd_kafka_mock_broker_set_up(cluster.value, -1)
    }
  }
}
