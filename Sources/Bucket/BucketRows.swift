package import Output
package import S3
import Wire

/// The rows of all topics that an output in a bucket has, each partition's in order.
package struct BucketRows {
  private let client: any S3Requests
  private let layout: BucketLayout

  package init(_ client: any S3Requests, _ layout: BucketLayout) {
    self.client = client
    self.layout = layout
  }

  package func each(_ body: (StoredRow) throws -> Void) throws {
    for (log, firsts) in try logs() { try log.each(firsts) { try $0.rows.forEach(body) } }
  }

  /// The logs in the order of their topics, and in each the first offsets of its batches.
  private func logs() throws -> [(CommitLog, [Int64])] {
    var found: [Source: [Int64]] = [:]
    var listing = S3Listing(client, prefix: layout.reserved)
    while let page = try listing.nextPage() {
      for object in page.objects {
        guard let source = Source(object.key.dropFirst(layout.reserved.count)) else { continue }
        if let first = layout.log(source).first(of: object.key) { found[source, default: []].append(first) }
      }
    }
    return found.sorted { $0.key < $1.key }.map { (CommitLog(client: client, layout: layout.log($0.key)), $0.value) }
  }

  /// A partition of a topic.
  fileprivate struct Source: Hashable, Comparable {
    let cluster: String
    let topic: String
    let generation: Int64
    let partition: Int32

    /// - Parameter key: `CLUSTER/TOPIC/GENERATION/PARTITION/...`
    init?(_ key: Substring) {
      let parts = key.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 5, let generation = Int64(parts[2]), let partition = Int32(parts[3]) else { return nil }
      (cluster, topic) = (String(parts[0]), String(parts[1]))
      (self.generation, self.partition) = (generation, partition)
    }

    static func < (left: Source, right: Source) -> Bool {
      (left.cluster, left.topic, left.generation, left.partition)
        < (right.cluster, right.topic, right.generation, right.partition)
    }
  }
}

extension BucketLayout {
  fileprivate func log(_ source: BucketRows.Source) -> LogLayout {
    log(source.topic, cluster: source.cluster, generation: source.generation, partition: source.partition)
  }
}
