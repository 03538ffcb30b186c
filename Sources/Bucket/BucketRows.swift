package import Output
package import S3

/// The rows of all topics that an output in a bucket has, each partition's in order.
package struct BucketRows {
  private let client: any S3Requests
  private let layout: BucketLayout

  package init(_ client: any S3Requests, _ layout: BucketLayout) {
    self.client = client
    self.layout = layout
  }

  package func each(_ body: (StoredRow) throws -> Void) throws {
    for source in try LogSources(client, layout).all {
      let log = CommitLog(client: client, layout: layout.log(source))
      try log.each(log.firsts(from: 0)) { try $0.rows.forEach(body) }
    }
  }
}
