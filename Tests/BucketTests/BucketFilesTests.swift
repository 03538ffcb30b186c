import OutputSupport
import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import Bucket
@testable import Configuration
@testable import Output
@testable import Platform
@testable import S3
@testable import Wire

/// An output in a bucket as commands see it that read a catalog.
@Suite(OwnThread(), .onStores) struct BucketFilesTests {
  /// Each finding of an audit as "fault name", in alphabetical order.
  private func audit(
    _ world: BucketWorld, consumers: Bool = false, patience: Duration = .zero,
    beforeFirstLook: () throws -> Void = {}, beforeSecondLook: @escaping () throws -> Void = {}
  ) throws -> (result: OutputAudit.Result, findings: [String]) {
    let files = try #require(try BucketFiles(world.settings, stop: StopFlag()))
    defer { files.close() }
    files.isConsumed = { consumers }
    var findings: [String] = []
    let audit = try #require(
      try OutputAudit(files, topic: "t", patience: patience) { findings.append("\($0.fault.rawValue) \($0.name)") })
    audit.beforeSecondLook = beforeSecondLook
    try beforeFirstLook()
    try audit.run()
    return (audit.result, findings.sorted())
  }

  private func fill(_ world: BucketWorld) throws -> BucketConsumer {
    let consumer = try world.consumer()
    try consumer.assign([0, 1])
    try consumer.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "cat/b.jpg", "two"))
    try consumer.store(InMemoryMessage(2, "cat/b.jpg", "three"))
    try consumer.store(InMemoryMessage(0, partition: 1, "d.jpg", "four"))
    return consumer
  }

  @Test("a sound output has no findings", arguments: TestStore.all) func soundOutputIsClean(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      let (result, findings) = try audit(world)
      #expect(findings == [] && result.isClean)
      #expect(result.images == 3 && result.sound == 3 && result.rows == 4)
      #expect(result.storedByPartition == [0: 2, 1: 1])
    }
  }

  @Test("a removed, an altered and an added object are named", arguments: TestStore.all)
  func damagedObjectsAreNamed(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      _ = try world.client.perform(.delete(world.layout.image("a.jpg")))
      try world.put("cat/b.jpg", "altered")
      try world.put("dog/x.jpg", "by hand")
      #expect(
        try audit(world).findings == ["file_altered cat/b.jpg", "file_missing a.jpg", "file_unknown dog/x.jpg"])
    }
  }

  @Test("a batch that was removed from the log is found", arguments: TestStore.all)
  func missingBatchIsFound(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      _ = try world.client.perform(.delete(world.log().layout.commit(0)))
      let (result, findings) = try audit(world)
      #expect(result.faults[.batchMissing] == 1 && findings.contains("file_unknown a.jpg"), "\(findings)")
    }
  }

  @Test("an image whose batch is logged during the audit is no finding", arguments: TestStore.all)
  func imageInProgressIsAwaited(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      let newest = [
        InMemoryMessage(3, "new.jpg", "new"), InMemoryMessage(4, "cat/b.jpg", "another text"),
      ]
      try consumer.upload(newest[0], newest[1])
      var isStored = false
      let findings = try audit(world, consumers: true, patience: .seconds(30)) {
        guard !isStored else { return }
        isStored = true
        try consumer.store(newest[0], newest[1])
      }.findings
      #expect(findings == [] && isStored)
      // Nobody logs this one.
      try consumer.upload(InMemoryMessage(5, "later.jpg", "later"))
      #expect(try audit(world, consumers: true, patience: .milliseconds(300)).findings == ["file_unknown later.jpg"])
    }
  }

  @Test("the version with the newest message counts, whatever the order of the rows", arguments: TestStore.all)
  func newestVersionCounts(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try world.consumer()
      try consumer.assign([0, 1])
      try consumer.store(InMemoryMessage(0, time: 2_000, "a.jpg", "newer"))
      try consumer.store(InMemoryMessage(0, partition: 1, time: 1_000, "a.jpg", "older"))
      #expect(try world.images() == ["a.jpg": "newer"])
      #expect(try audit(world).findings == [])
      let verified = try VerifiedBucket(world.settings, stop: StopFlag())
      var last: String?
      try verified.eachRow { _, digest in last = digest }
      #expect(try last == verified.storedDigest("a.jpg")?.hex)
    }
  }

  @Test("a re-created topic begins with no positions, and its earlier rows remain", arguments: TestStore.all)
  func earlierGenerationIsKept(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      try consumer.output.state.advance(consumer.topic)
      let files = try #require(try BucketFiles(world.settings, stop: StopFlag()))
      defer { files.close() }
      let audit = try #require(try OutputAudit(files, topic: "t", patience: .zero) { _ in })
      #expect(try audit.positions(of: "t", cluster: "c").isEmpty)
      try audit.run()
      #expect(audit.result.isClean && audit.result.rows == 4)
      try consumer.assign()
      try consumer.store(InMemoryMessage(0, "a.jpg", "again"))
      let later = try #require(try BucketFiles(world.settings, stop: StopFlag()))
      defer { later.close() }
      let next = try #require(try OutputAudit(later, topic: "t", patience: .zero) { _ in })
      #expect(try next.positions(of: "t", cluster: "c").mapValues(\.next) == [0: 1])
      try next.run()
      #expect(next.result.isClean && next.result.rows == 5)
    }
  }

  @Test("a batch that a listing lacks is asked for, and is no gap", arguments: TestStore.all)
  func batchMissingInListing(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      // As if it had been stored while the store was listing.
      let client = ForgetfulListing(client: world.client, key: world.log().layout.commit(0))
      let mirror = try #require(try BucketMirror(client, world.layout))
      defer { mirror.close() }
      try mirror.fill()
      var rows = 0
      try mirror.eachRow { _, _ in rows += 1 }
      #expect(mirror.gaps.isEmpty && rows == 4)
    }
  }

  @Test("an output that was copied to another address is read there", arguments: TestStore.all)
  func copiedOutput(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      let copy = BucketWorld(store, world.client, world.prefix + "/a longer prefix")
      var listing = S3Listing(world.client, prefix: world.prefix + "/")
      for object in try listing.all() {
        let read = try world.client.perform(.get(object.key))
        let metadata = read.headers.filter { $0.key.hasPrefix("x-amz-meta-") }
        _ = try world.client.perform(
          .put(
            copy.prefix + object.key.dropFirst(world.prefix.count), .bytes(read.body),
            digest: read.body.withUnsafeBytes { SHA256.hash($0) },
            metadata: metadata.map { (String($0.key.dropFirst("x-amz-meta-".count)), $0.value) }))
      }
      #expect(try audit(copy).findings == [])
      #expect(try copy.rows() == world.rows() && copy.images()["cat/b.jpg"] == "three")
      // New rows are next to the copied ones.
      let consumer = try copy.consumer()
      try consumer.assign([0, 1])
      try consumer.store(InMemoryMessage(4, "a.jpg", "two"))
      #expect(try audit(copy).findings == [])
    }
  }

  @Test("originals in a bucket are without the output that is inside", arguments: TestStore.all)
  func outputInsideOfInput(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let output = BucketWorld(store, world.client, world.prefix + "/out")
      _ = try fill(output)
      try world.put("a.jpg", "one")
      try world.put("outside.jpg", "one")
      let input = VerifiedInputBucket(world.settings, output: output.layout.address, stop: StopFlag())
      var names: [String] = []
      try input.each(FileFilter(extensions: ["jpg"], excluding: [])) { names.append($0.path) }
      #expect(names == ["a.jpg", "outside.jpg"])
    }
  }

  @Test("objects that are cut off are read again", arguments: TestStore.all)
  func cutObjectsAreReadAgain(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      let seen = Mutex<[String: Int]>([:])
      let proxy = try StoreProxy(to: store.endpoint) { request in
        guard request.method == "GET", request.target.contains(".jpg") else { return .pass }
        let visits = seen.withLock { seen in
          seen[request.target, default: 0] += 1
          return seen[request.target]!
        }
        return switch visits {
        case 1: .cutAnswer(after: 200)
        case 2: .answer(status: 503)
        default: .pass
        }
      }
      defer { proxy.close() }
      let settings = BucketSettings(address: world.layout.address, store: store.settings(through: proxy.address))
      let verified = try VerifiedBucket(settings, stop: StopFlag())
      #expect(try verified.storedDigest("d.jpg") == digest(of: "four"))
      #expect(seen.withLock { $0.values.allSatisfy { $0 == 3 } && $0.count == 3 })
    }
  }

  @Test("a bucket without an output has no files, and nothing is created in it", arguments: TestStore.all)
  func emptyBucket(_ store: TestStore) throws {
    try BucketWorld.with(store) { (world) throws -> Void in
      #expect(try BucketFiles(world.settings, stop: StopFlag()) == nil)
      var listing = S3Listing(world.client, prefix: world.prefix)
      #expect(try listing.all().isEmpty)
    }
  }
}

/// A client whose listings lack one key.
private struct ForgetfulListing: S3Requests {
  let client: S3Client
  let key: String
  var bucket: String { client.bucket }

  func close() {}

  func send(_ request: S3Request, completion: @escaping @Sendable (Result<S3Response, S3Error>) -> Void) {
    let isListing = request.query.contains { $0.name == "list-type" }
    client.send(request) { [key] answer in
      completion(answer.map { isListing ? Self.without(key, $0) : $0 })
    }
  }

  private static func without(_ key: String, _ response: S3Response) -> S3Response {
    let parts = String(decoding: response.body, as: UTF8.self).split(separator: "<Contents>")
    let kept = parts.filter { !$0.contains("<Key>\(key)</Key>") }
    // The last part has the end of the document.
    let end = kept.count < parts.count && parts.last != kept.last ? "</ListBucketResult>" : ""
    return S3Response(
      status: response.status, headers: response.headers, body: Array((kept.joined(separator: "<Contents>") + end).utf8)
    )
  }
}
