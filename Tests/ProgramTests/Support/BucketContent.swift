import StoreSupport
import TestSupport
import Testing

@testable import Bucket
@testable import Configuration
@testable import Output
@testable import Platform
@testable import S3
@testable import Wire

/// An output in a bucket that programs store into.
struct BucketContent {
  let store: TestStore
  let client: S3Client
  let prefix: String

  /// Calls `body` with an output that no other test has.
  static func with(_ store: TestStore, _ body: (BucketContent) throws -> Void) throws {
    try store.with { client, prefix in try body(BucketContent(store: store, client: client, prefix: prefix)) }
  }

  /// The settings of a consumer.
  /// - Parameter address: of a proxy before the store.
  func environment(_ broker: Broker, through address: String? = nil, _ more: [String: String] = [:]) -> [String: String]
  {
    broker.environment([
      "PROCESSED_IMAGES_DIR": "s3://\(TestStore.bucket)/\(prefix)", "S3_ENDPOINT": address ?? store.endpoint,
      "AWS_ACCESS_KEY_ID": TestStore.keys.accessKey, "AWS_SECRET_ACCESS_KEY": TestStore.keys.secretKey,
    ]).merging(more) { $1 }
  }

  private func keys() throws -> [String] {
    var listing = S3Listing(client, prefix: prefix + "/")
    return try listing.all().map { String(decoding: $0.key.utf8.dropFirst(prefix.utf8.count + 1), as: UTF8.self) }
  }

  /// The stored images by their names.
  func images() throws -> [String: [UInt8]] {
    let names = try keys().filter { !$0.hasPrefix(ImageName.reserved + "/") }
    let answers = client.perform(names.map { .get("\(prefix)/\($0)") })
    return Dictionary(uniqueKeysWithValues: zip(names, try answers.map { try $0.get().body }))
  }

  /// The rows of all partitions, each partition's in order.
  func rows() throws -> [StoredRow] {
    let logs = try keys().filter { $0.hasPrefix(ImageName.reserved + "/") && $0.hasSuffix(".csv") }.sorted()
    return try client.perform(logs.map { .get("\(prefix)/\($0)") }).flatMap { answer in
      try #require(CSVLine.rows(answer.get().body.dropFirst(CSVLine.header.count)))
    }
  }

  func rowNames() throws -> [String] {
    let start = "s3://\(TestStore.bucket)/\(prefix)/"
    return try rows().map { String(decoding: $0.filePath.utf8.dropFirst(start.utf8.count), as: UTF8.self) }
  }

  func expect(_ images: [String: [UInt8]], sourceLocation: SourceLocation = #_sourceLocation) throws {
    let stored = try self.images()
    #expect(stored.keys.sorted() == images.keys.sorted(), sourceLocation: sourceLocation)
    for (name, bytes) in images where stored[name] != bytes {
      Issue.record("\(name) has other bytes", sourceLocation: sourceLocation)
    }
  }
}
