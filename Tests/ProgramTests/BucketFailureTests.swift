import Glibc
import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import Platform

/// What a consumer does when its store fails.
@Suite(.ownThread, .onStores) struct BucketFailureTests {
  private static let store = TestStore.all.prefix(1)

  private func images(_ count: Int) -> [String: [UInt8]] {
    Dictionary(
      uniqueKeysWithValues: (0..<count).map { ("\($0 % 3)/\($0).jpg", SeededNumbers.bytes(20_000, seed: UInt64($0))) })
  }

  @Test("errors of a store delay images, and nothing else", arguments: store)
  func troubles(_ store: TestStore) throws {
    let broker = try Broker.preferred()
    var images = images(60)
    var messages: [TestMessage] = []
    var versions: [String] = []
    for (number, (name, bytes)) in images.sorted(by: { $0.key < $1.key }).enumerated() {
      // Some arrive twice, some change, and some change and change back.
      let contents = [bytes, bytes, [UInt8(number)], bytes].prefix(number % 5)
      for (index, content) in ([bytes] + contents).enumerated() {
        messages.append(.image(name, content))
        if index == 0 || index > 2 { versions.append(name) }
        images[name] = content
      }
    }
    try broker.send(messages)
    let random = Mutex(SeededNumbers(seed: 7))
    let proxy = try StoreProxy(to: store.endpoint) { request in
      switch random.withLock({ $0.next() % 20 }) {
      case 0: .drop
      case 1: .loseAnswer
      case 2: .answer(status: 503, body: "<Error><Code>SlowDown</Code></Error>")
      case 3: .answer(status: 500, body: "<Error><Code>InternalError</Code></Error>")
      case 4:
        request.method == "PUT"
          ? .answer(status: 409, body: "<Error><Code>ConditionalRequestConflict</Code></Error>") : .pass
      case 5: .cutAnswer(after: 40)
      case 6: .answer(status: 429)
      default: .pass
      }
    }
    defer { proxy.close() }
    try BucketContent.with(store) { bucket in
      let folder = TestFolder()
      let consumer = try Program(
        ["consumer", "--until-idle", "0.5"], in: folder,
        environment: bucket.environment(broker, through: proxy.address, ["BATCH_IMAGES": "8"]))
      try #require(consumer.exitCode() == 0, "\(consumer.output)")
      try bucket.expect(images)
      #expect(try bucket.rowNames().sorted() == versions.sorted(), "\(consumer.output)")
    }
  }

  @Test("a missing bucket and refused keys are reported until they are corrected", arguments: store)
  func refusals(_ store: TestStore) throws {
    let broker = try Broker.preferred()
    let images = images(3)
    try broker.send(images.map { .image($0.key, $0.value) })
    let answers = Mutex([(404, "NoSuchBucket"), (403, "AccessDenied")])
    let proxy = try StoreProxy(to: store.endpoint) { _ in
      answers.withLock { left in
        guard !left.isEmpty else { return .pass }
        let (status, code) = left.removeFirst()
        return .answer(status: status, body: "<Error><Code>\(code)</Code></Error>")
      }
    }
    defer { proxy.close() }
    try BucketContent.with(store) { bucket in
      let folder = TestFolder()
      let consumer = try Program(
        ["consumer", "--until-idle", "0.5"], in: folder, environment: bucket.environment(broker, through: proxy.address)
      )
      #expect(consumer.exitCode() == 0, "\(consumer.output)")
      let names = consumer.events("bucket_unavailable").map { $0.fields["error"] }
      #expect(names == ["NoSuchBucket", "AccessDenied"], "\(consumer.output)")
      try bucket.expect(images)
    }
  }

  @Test("a store that hangs does not keep a consumer from ending, and nothing is lost", arguments: store)
  func hangingStore(_ store: TestStore) throws {
    let broker = try Broker.preferred()
    let images = images(20)
    let isHanging = Atomic(true)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      let isImage = request.method == "PUT" && !request.target.contains("/.image-pipeline/")
      return isImage && isHanging.load(ordering: .relaxed) ? .hang : .pass
    }
    defer { proxy.close() }
    try BucketContent.with(store) { bucket in
      let folder = TestFolder()
      let environment = bucket.environment(broker, through: proxy.address)
      let consumer = try Program(["consumer"], in: folder, environment: environment)
      try broker.send(images.map { .image($0.key, $0.value) })
      #expect(eventually { proxy.requests.contains { $0.target.contains(".jpg") } }, "\(consumer.output)")
      #expect(consumer.terminate() == 0, "\(consumer.output)")
      #expect(try bucket.rows() == [])
      isHanging.store(false, ordering: .relaxed)
      let other = try Program(["consumer", "--until-idle", "0.5"], in: folder, environment: environment)
      #expect(other.exitCode() == 0, "\(other.output)")
      try bucket.expect(images)
    }
  }

  @Test("rights that are lost delay images until that is corrected", arguments: store)
  func lostRights(_ store: TestStore) throws {
    let broker = try Broker.preferred()
    let images = images(20)
    let isRefusing = Atomic(false)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      isRefusing.load(ordering: .relaxed) && request.method == "PUT"
        ? .answer(status: 403, body: "<Error><Code>AccessDenied</Code></Error>") : .pass
    }
    defer { proxy.close() }
    try BucketContent.with(store) { bucket in
      let folder = TestFolder()
      let consumer = try Program(
        ["consumer"], in: folder, environment: bucket.environment(broker, through: proxy.address))
      let (first, rest) = (images.prefix(10), images.dropFirst(10))
      try broker.send(first.map { .image($0.key, $0.value) })
      #expect(eventually { try bucket.rows().count == 10 }, "\(consumer.output)")
      isRefusing.store(true, ordering: .relaxed)
      try broker.send(rest.map { .image($0.key, $0.value) })
      #expect(eventually { !consumer.events("batch_failed").isEmpty }, "\(consumer.output)")
      #expect(try bucket.rows().count == 10)
      isRefusing.store(false, ordering: .relaxed)
      #expect(eventually { try bucket.rows().count == 20 }, "\(consumer.output)")
      #expect(consumer.terminate() == 0, "\(consumer.output)")
      try bucket.expect(images)
    }
  }

  @Test("a store that ignores conditions is refused") func unsuitableStore() throws {
    let broker = try Broker.preferred()
    // It accepts whatever it is sent, and remembers the last of it.
    let last = Mutex<(String, [UInt8])>(("", []))
    let proxy = try StoreProxy { request in
      last.withLock { last in
        let path = String(request.target.prefix { $0 != "?" })
        switch request.method {
        case "PUT":
          last = (path, request.body)
          return .answer(status: 200, headers: ["ETag: \"x\""])
        case "GET" where request.target.contains("list-type"):
          let key = last.0.split(separator: "/").dropFirst().joined(separator: "/")
          return .answer(
            status: 200,
            body: "<ListBucketResult><Contents><Key>\(key)</Key><Size>1</Size></Contents></ListBucketResult>")
        default: return .answer(status: 200, body: String(decoding: last.1, as: UTF8.self))
        }
      }
    }
    defer { proxy.close() }
    let folder = TestFolder()
    let consumer = try Program(
      ["consumer", "--until-idle", "0.5"], in: folder,
      environment: broker.environment([
        "PROCESSED_IMAGES_DIR": "s3://images/x", "S3_ENDPOINT": proxy.address, "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
      ]))
    #expect(consumer.exitCode() == 1, "\(consumer.output)")
    #expect(consumer.events("program_failed").first?.fields["error"] == "UnsuitableStore", "\(consumer.output)")
  }

  @Test("consumers without a common disk store every version once, whatever is killed", arguments: TestStore.all)
  func chaos(_ store: TestStore) throws {
    let broker = try Broker.preferred(partitions: 3)
    try BucketContent.with(store) { bucket in
      let environment = bucket.environment(broker, ["BATCH_IMAGES": "6", "KAFKA_SESSION_TIMEOUT_MS": "6000"])
      var random = SeededNumbers(seed: 42)
      var hosts = (0..<3).map { _ in TestFolder() }
      var consumers = try hosts.map { try Program(["consumer"], in: $0, environment: environment) }
      var images: [String: [UInt8]] = [:]
      var versions = 0
      for round in 0..<6 {
        var messages: [TestMessage] = []
        for number in 0..<20 where random.next() % 3 > 0 {
          let bytes = SeededNumbers.bytes(2_000, seed: UInt64(round * 100 + number))
          images["\(number % 4)/\(number).jpg"] = bytes
          versions += 1
          messages.append(.image("\(number % 4)/\(number).jpg", bytes))
          // Sent again, it is no new version.
          if random.next() % 4 == 0 { messages.append(.image("\(number % 4)/\(number).jpg", bytes)) }
        }
        try broker.send(messages)
        let victim = Int(random.next() % 3)
        let before = try bucket.rows().count
        // Some batches of it are stored, others are not.
        _ = eventually(within: .seconds(2)) { try bucket.rows().count > before }
        consumers[victim].signal(SIGKILL)
        #expect(consumers[victim].exitCode() == 128 + SIGKILL)
        hosts[victim] = TestFolder()
        consumers[victim] = try Program(["consumer"], in: hosts[victim], environment: environment)
      }
      #expect(
        eventually(within: .seconds(90)) { try bucket.rows().count >= versions },
        "\(consumers.map(\.output))")
      for consumer in consumers { #expect(consumer.terminate() == 0, "\(consumer.output)") }
      #expect(try bucket.rows().count == versions)
      try bucket.expect(images)
    }
  }
}
