import OutputSupport
import StoreSupport
import TestSupport

@testable import Bucket
@testable import Configuration
@testable import Output
@testable import Page
@testable import Platform
@testable import S3
@testable import Wire

/// An output in a bucket of a real store, a consumer that stores into it, and the pictures that a page shows.
final class PageBucket {
  let client: S3Client
  let layout: BucketLayout
  let lines = LogLines()
  private(set) lazy var pictures = BucketPictures(
    pageSettings, pace: pace, largestPicture: 1 << 20, log: lines.log, stop: stop)
  private(set) lazy var page = PageClient(pictures)
  private let settings: BucketSettings
  private let pageSettings: BucketSettings
  private let pace: BucketCopy.Pace
  private let stop = StopFlag()
  private var output: BucketOutput?
  private var topic: Catalog.Topic?
  private var positions: [Int32: Catalog.Position] = [:]
  private var next: [Int32: Int64] = [:]

  /// - Parameter address: of a proxy between page and store. The consumer does without.
  private init(
    _ store: TestStore, _ client: S3Client, _ prefix: String, through address: String?, _ pace: BucketCopy.Pace
  ) {
    self.client = client
    let name = BucketAddress("s3://\(TestStore.bucket)/\(prefix)")!
    layout = BucketLayout(name)
    settings = BucketSettings(address: name, store: store.settings())
    var own = store.settings(through: address)
    own.attempts = 2
    pageSettings = BucketSettings(address: name, store: own)
    self.pace = pace
  }

  /// Starts to follow the bucket. Any use of the page does that.
  func start() { _ = page }

  /// Often enough for a test.
  static var pace: BucketCopy.Pace {
    var pace = BucketCopy.Pace()
    (pace.follow, pace.search) = (.milliseconds(10), .milliseconds(20))
    pace.longestPause = .milliseconds(50)
    return pace
  }

  static func with(
    _ store: TestStore, through address: String? = nil, pace: BucketCopy.Pace = pace,
    _ body: (PageBucket) throws -> Void
  ) throws {
    try store.with { client, prefix in
      let bucket = PageBucket(store, client, prefix, through: address, pace)
      defer { bucket.close() }
      try body(bucket)
    }
  }

  /// As the service does it.
  func close() {
    stop.set()
    pictures.interrupt()
    pictures.close()
    output?.close()
    output = nil
  }

  /// Creates the output, if there is none, as a consumer does when it starts.
  private func opened() throws -> BucketOutput {
    if let output { return output }
    let letters = InMemoryDeadLetters()
    let opened = try BucketOutput(settings, sameName: .replace, log: lines.log, stop: StopFlag()) { _ in letters }
    output = opened
    topic = try opened.state.topic("t", cluster: "c")
    return opened
  }

  /// Removes a batch of partition 0 from the log, and writes it again, as `repair` does.
  func withoutBatch(_ first: Int64, _ body: () throws -> Void) throws {
    let key = layout.log("t", cluster: "c", generation: 1, partition: 0).commit(first)
    let batch = try client.perform(.get(key))
    _ = try client.perform(.delete(key))
    try body()
    let metadata = batch.headers.filter { $0.key.hasPrefix("x-amz-meta-") }
    _ = try client.perform(
      .put(
        key, .bytes(batch.body), digest: batch.body.withUnsafeBytes { SHA256.hash($0) },
        metadata: metadata.map { (String($0.key.dropFirst("x-amz-meta-".count)), $0.value) }))
  }

  /// Stores images as one batch of a consumer.
  func store(_ images: [(name: String, content: [UInt8])], partition: Int32 = 0) throws {
    let output = try opened()
    if positions[partition] == nil {
      positions.merge(try output.state.positions(of: topic!, in: [partition])) { $1 }
    }
    let messages = images.map { image in
      defer { next[partition, default: 0] += 1 }
      let digest = image.content.withUnsafeBytes { SHA256.hash($0) }
      return InMemoryMessage(
        next[partition] ?? 0, partition: partition, key: Array(image.name.utf8),
        value: envelope(image.name, image.content),
        headers: ImageHeaders(digest: digest, length: image.content.count).kafkaHeaders)
    }
    let batch = ImageStore.Batch(topic: topic!, messages: messages, base: [partition: positions[partition]])
    let outcome = try output.store.store(batch) { true }
    guard case .stored(let stored) = outcome else { throw PageClient.NoAnswer() }
    positions.merge(stored.positions) { $1 }
  }

  func store(_ name: String, _ content: String = "x", partition: Int32 = 0) throws {
    try store([(name, Array(content.utf8))], partition: partition)
  }

  /// Replaces an object as another program does.
  func put(_ name: String, _ content: String) throws {
    _ = try client.perform(.put(key(name), .bytes(Array(content.utf8)), digest: digest(of: content)))
  }

  func remove(_ name: String) throws { _ = try client.perform(.delete(key(name))) }

  func key(_ name: String) -> String { layout.address.keyStart + name }

  /// Removes everything, with the identity of the output.
  func empty() throws {
    output?.close()
    (output, positions, next) = (nil, [:], [:])
    var listing = S3Listing(client, prefix: layout.address.keyStart)
    for object in try listing.all() { _ = try client.perform(.delete(object.key)) }
  }

  /// All rows, newest first.
  private func rows() throws -> [Picture] {
    try PictureCatalog(pictures, budget: .seconds(60)).pictures(before: nil, matching: PictureFilter(), atMost: 200)
      .pictures
  }

  /// The names that the page lists, newest first.
  func names() throws -> [String] { try rows().map(\.name) }

  /// The id of the newest row of an image.
  func id(_ name: String) throws -> Int64? { try rows().first { $0.name == name }?.id }
}
