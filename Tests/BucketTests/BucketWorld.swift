import Messaging
import OutputSupport
import StoreSupport
import TestSupport

@testable import Bucket
@testable import Configuration
@testable import Output
@testable import Platform
@testable import S3
@testable import Wire

/// An output in a bucket of a real store, and its consumers.
final class BucketWorld {
  let store: TestStore
  let client: S3Client
  let layout: BucketLayout
  let prefix: String
  let lines = LogLines()

  init(_ store: TestStore, _ client: S3Client, _ prefix: String) {
    self.store = store
    self.client = client
    self.prefix = prefix
    layout = BucketLayout(BucketAddress("s3://\(TestStore.bucket)/\(prefix)")!)
  }

  static func with(_ store: TestStore, _ body: (BucketWorld) throws -> Void) throws {
    try store.with { client, prefix in try body(BucketWorld(store, client, prefix)) }
  }

  /// - Parameter address: of a proxy before the store.
  func consumer(through address: String? = nil, sameName: SameName = .replace) throws -> BucketConsumer {
    let settings = BucketSettings(address: layout.address, store: store.settings(through: address))
    let letters = InMemoryDeadLetters()
    let output = try BucketOutput(settings, sameName: sameName, log: lines.log, stop: StopFlag()) { _ in letters }
    return try BucketConsumer(output, letters)
  }

  var settings: BucketSettings { BucketSettings(address: layout.address, store: store.settings()) }

  /// Stores an object as a stranger does.
  func put(_ name: String, _ content: String) throws {
    _ = try client.perform(.put(layout.image(name), .bytes(Array(content.utf8)), digest: digest(of: content)))
  }

  /// The stored images by their names.
  func images() throws -> [String: String] {
    var listing = S3Listing(client, prefix: prefix + "/")
    var images: [String: String] = [:]
    for object in try listing.all() {
      let name = String(decoding: object.key.utf8.dropFirst(prefix.utf8.count + 1), as: UTF8.self)
      guard !name.hasPrefix(ImageName.reserved + "/") else { continue }
      images[name] = String(decoding: try client.perform(.get(object.key)).body, as: UTF8.self)
    }
    return images
  }

  func log(_ partition: Int32 = 0, generation: Int64 = 1) -> CommitLog {
    CommitLog(client: client, layout: layout.log("t", cluster: "c", generation: generation, partition: partition))
  }

  /// The rows of a partition, as `NAME@OFFSET`.
  func rows(_ partition: Int32 = 0, generation: Int64 = 1) throws -> [String] {
    let log = log(partition, generation: generation)
    var rows: [String] = []
    try log.each(log.firsts(from: 0)) { commit in
      rows += commit.rows.map { row in
        String(decoding: row.filePath.utf8.dropFirst(layout.address.description.utf8.count + 1), as: UTF8.self)
          + "@\(row.offset)"
      }
    }
    return rows
  }
}

/// A consumer of the topic `t` in the cluster `c`.
final class BucketConsumer {
  let output: BucketOutput
  let letters: InMemoryDeadLetters
  var topic: Catalog.Topic
  var positions: [Int32: Catalog.Position] = [:]

  init(_ output: BucketOutput, _ letters: InMemoryDeadLetters) throws {
    self.output = output
    self.letters = letters
    topic = try output.state.topic("t", cluster: "c")
  }

  deinit { output.close() }

  /// Reads the positions, as a new assignment does.
  @discardableResult
  func assign(_ partitions: [Int32] = [0]) throws -> [Int32: Catalog.Position] {
    topic = try output.state.topic("t", cluster: "c")
    positions = try output.state.positions(of: topic, in: partitions)
    return positions
  }

  func batch(_ messages: [InMemoryMessage]) -> ImageStore.Batch {
    var base: [Int32: Catalog.Position?] = [:]
    for message in messages { base[message.partition] = .some(positions[message.partition]) }
    return ImageStore.Batch(topic: topic, messages: messages, base: base)
  }

  /// Sends the images, as the preparation does, and no more.
  func upload(_ messages: InMemoryMessage...) throws { try upload(messages) }

  func upload(_ messages: [InMemoryMessage]) throws {
    _ = try output.store.place.begin(batch(messages), releasing: false).finish()
  }

  /// Stores messages at the positions that were last read or stored.
  @discardableResult
  func store(_ messages: InMemoryMessage...) throws -> ImageStore.Outcome { try store(messages) }

  /// Prepares all batches, and stores one after another.
  func store(_ batches: [InMemoryMessage]...) throws { try store(batches) }

  func store(_ batches: [[InMemoryMessage]]) throws {
    let preparations = batches.map { output.store.begin(batch($0)) }
    for (batch, preparation) in zip(batches, preparations) { try store(batch, preparation) }
  }

  /// - Parameter begun: the preparation of these messages.
  @discardableResult
  func store(_ messages: [InMemoryMessage], _ begun: Preparation? = nil) throws -> ImageStore.Outcome {
    var (batch, preparations) = (batch(messages), begun.map { [$0] } ?? [])
    while true {
      let outcome = try output.store.store(batch, preparations) { true }
      preparations = []
      guard case .stored(let stored) = outcome else { return outcome }
      positions.merge(stored.positions) { $1 }
      guard let rest = stored.remainder.rest else { return outcome }
      batch = rest
    }
  }
}

extension ImageStore.Outcome {
  var isFenced: Bool { if case .fenced = self { true } else { false } }
  var stored: ImageStore.Stored? { if case .stored(let stored) = self { stored } else { nil } }
}
