import S3

/// The partition of a topic's generation whose batches a log has.
struct LogSource: Hashable, Comparable {
  let cluster: String
  let topic: String
  let generation: Int64
  let partition: Int32

  static func < (left: LogSource, right: LogSource) -> Bool {
    (left.cluster, left.topic, left.generation, left.partition)
      < (right.cluster, right.topic, right.generation, right.partition)
  }
}

/// The topics and partitions that a bucket's log has.
struct LogSources {
  /// In order.
  private(set) var all: [LogSource] = []
  /// The newest generation of each topic.
  private(set) var topics: [(cluster: String, topic: String, generation: Int64)] = []

  /// Asks the store for the folders of the log.
  init(_ client: any S3Requests, _ layout: BucketLayout) throws {
    for cluster in try S3Listing.folders(client, below: layout.reserved) {
      for topic in try S3Listing.folders(client, below: layout.cluster(cluster)) {
        let generations = try S3Listing.folders(client, below: layout.topic(topic, cluster: cluster))
          .compactMap { Int64($0) }.sorted()
        guard let newest = generations.last else { continue }
        topics.append((cluster, topic, newest))
        for generation in generations {
          let folder = layout.generation(generation, topic, cluster: cluster)
          all += try S3Listing.folders(client, below: folder).compactMap { Int32($0) }.sorted().map {
            LogSource(cluster: cluster, topic: topic, generation: generation, partition: $0)
          }
        }
      }
    }
    all.sort()
  }
}

extension BucketLayout {
  func log(_ source: LogSource) -> LogLayout {
    log(source.topic, cluster: source.cluster, generation: source.generation, partition: source.partition)
  }
}
