import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Platform

@Suite(.ownThread) struct SegmentTests {
  private let folder = TestFolder()
  private static let waiting = TestFolder.output + "/.image-pipeline/segments"

  private var waitingFiles: [String] { (try? Folder.open(folder.path + "/" + Self.waiting).names()) ?? [] }

  @Test("images of every size around the limit travel in exactly as many messages as they need")
  func sizesNeedExactMessageCounts() throws {
    let broker = try Broker.preferred()
    let limit = 1_000
    let sizes = [0, 1, 2, 3, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1, 7 * limit - 1, 7 * limit]
    var images: [String: [UInt8]] = [:]
    for size in sizes { images["\(size).jpg"] = SeededNumbers.bytes(size, seed: UInt64(size)) }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let needed = sizes.reduce(0) { $0 + max(1, ($1 + limit - 1) / limit) }
    let environment = broker.environment(["SEGMENT_BYTES": "\(limit)"])

    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let messages = try broker.messages(broker.topic)
    #expect(messages.count == needed)
    for size in sizes {
      let own = messages.filter { $0.key == Array("\(size).jpg".utf8) }
      #expect(own.map { $0.header("segment-index") } == (size <= limit ? [nil] : own.indices.map { "\($0)" }))
    }
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)

    let again = try Program(["producer", "--once", "--resend"], in: folder, environment: environment)
    #expect(again.exitCode() == 0, "\(again.output)")
    #expect(try broker.messageCount(broker.topic) == 2 * needed)
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.stored == 0, "\(output)")
    try expectStored(images, in: folder)
    #expect(waitingFiles == [])
  }

  @Test("segments from before and after a crash make one image") func segmentsSurviveACrash() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(10_000, seed: 5)
    let segments = TestMessage.segments("large.png", image, size: 3_000)
    try broker.send(Array(segments[..<2]))
    let first = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { waitingFiles.count == 1 })
    first.signal(SIGKILL)
    #expect(first.exitCode() == 128 + SIGKILL)
    #expect(try folder.files(TestFolder.output) == [])
    try broker.send(Array(segments[2...]))
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["large.png": image], in: folder)
    #expect(try broker.deadLetters() == [])
  }

  @Test("segments in any order, also repeated, make one image") func segmentsMayBeReordered() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(10_000, seed: 6)
    let segments = TestMessage.segments("large.png", image, size: 3_000)
    try broker.send([segments[3], segments[1], segments[1], segments[0], segments[3], segments[2], segments[2]])
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    try expectStored(["large.png": image], in: folder)
  }

  @Test("an incomplete image becomes dead letters") func incompleteImageBecomesDeadLetters() throws {
    let broker = try Broker.preferred()
    let segments = TestMessage.segments("large.png", SeededNumbers.bytes(9_000, seed: 7), size: 3_000)
    let good = SeededNumbers.bytes(800, seed: 8)
    try broker.send([segments[0], .image("good.jpg", good), segments[2]])
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment(["SEGMENT_TIMEOUT": "1"]))
    #expect(eventually { consumer.hasEvent("image_incomplete") }, "\(consumer.output)")
    #expect(eventually { waitingFiles == [] })
    let letters = try broker.deadLetters()
    #expect(letters.map(\.value) == [segments[0].value, segments[2].value])
    #expect(letters.map { $0.header("__connect.errors.exception.class.name") } == ["SegmentTimeout", "SegmentTimeout"])
    // If all arrive again, they make the image.
    try broker.send(segments)
    #expect(eventually { folder.rows.count == 2 }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(["good.jpg": good, "large.png": SeededNumbers.bytes(9_000, seed: 7)], in: folder)
  }

  @Test("segments with a wrong hash become dead letters, and the stream continues") func wrongHashBecomesDeadLetters()
    throws
  {
    let broker = try Broker.preferred()
    let wrong = [1, 2, 3].withUnsafeBytes { SHA256.hash($0) }
    let segments = TestMessage.segments("large.png", SeededNumbers.bytes(9_000, seed: 9), size: 3_000, digest: wrong)
    let good = SeededNumbers.bytes(800, seed: 8)
    try broker.send(segments + [.image("good.jpg", good)])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["good.jpg": good], in: folder)
    let letters = try broker.deadLetters()
    #expect(letters.map(\.value) == segments.map(\.value))
    #expect(letters.allSatisfy { $0.header("__connect.errors.exception.class.name") == "DigestMismatch" })
  }

  /// From a broken sender: right headers, wrong bytes.
  @Test(
    "a repeated segment with other bytes is not stored; the image is, once sent again",
    arguments: ["before", "behind"], [1, 256])
  func conflictingSegmentIsNotStored(order: String, batch: Int) throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(9_000, seed: 12)
    let segments = TestMessage.segments("large.png", image, size: 3_000)
    let digest = image.withUnsafeBytes { SHA256.hash($0) }
    let other = TestMessage.segment(
      "large.png", SeededNumbers.bytes(9_000, seed: 13), size: 3_000, index: 1, count: 3, digest: digest)
    let pair = order == "before" ? [other, segments[1]] : [segments[1], other]
    try broker.send([segments[0]] + pair + [segments[2]])
    _ = try Program.storeAll(in: folder, broker, ["BATCH_IMAGES": "\(batch)"])
    // In separate batches the last one counts; within one batch either may.
    let isStored = folder.rows.count == 1
    #expect(batch > 1 || isStored == (order == "before"))
    let letters = try broker.deadLetters()
    if isStored {
      #expect(letters.isEmpty)
    } else {
      #expect(letters.map(\.value) == [segments[0].value, pair[1].value, segments[2].value])
      #expect(letters.allSatisfy { $0.header("__connect.errors.exception.class.name") == "DigestMismatch" })
      #expect(try folder.files(TestFolder.output) == [])
    }
    try broker.send(segments)
    _ = try Program.storeAll(in: folder, broker, ["BATCH_IMAGES": "\(batch)"])
    try expectStored(["large.png": image], in: folder)
    #expect(try broker.deadLetters().count == letters.count)
  }

  @Test("segments left from a re-created topic make no other message a dead letter") func oldSegmentsHarmNoNewMessage()
    throws
  {
    let folder = folder
    let segments = TestMessage.segments("large.png", SeededNumbers.bytes(9_000, seed: 10), size: 3_000)
    let before = try Broker()
    try before.send([segments[0], segments[1]])
    try LocalConsumer.storeAll(in: folder, before) { $0.segmentTimeout = .seconds(600) }
    #expect(waitingFiles.count == 1)
    let images = sampleImages(6)
    let after = try Broker()
    try after.send(images.sorted { $0.key < $1.key }.map { .image($0.key, $0.value) })
    let log = try LocalConsumer.storeAll(in: folder, after) { $0.segmentTimeout = .milliseconds(1) }
    #expect(log.hasEvent("image_incomplete"), "\(log)")
    try expectStored(images, in: folder)
    #expect(try Folder.open(folder.path + "/" + TestFolder.output + "/.image-pipeline/dead-letters").names() == [])
  }

  @Test("segments of a partition that the re-created topic lacks are discarded") func segmentsOfLostPartitionExpire()
    throws
  {
    let before = try Broker(partitions: 3)
    var segment = TestMessage.segments("large.png", SeededNumbers.bytes(9_000, seed: 10), size: 3_000)[0]
    segment.partition = 2
    try before.send([segment])
    try LocalConsumer.storeAll(in: folder, before) { $0.segmentTimeout = .seconds(600) }
    #expect(waitingFiles.count == 1)
    let log = try LocalConsumer.storeAll(in: folder, Broker()) { $0.segmentTimeout = .milliseconds(1) }
    #expect(log.hasEvent("image_incomplete", ["gone_offsets": "0"]), "\(log)")
    #expect(waitingFiles == [])
  }

  @Test("an image larger than the broker retains arrives") func imageMayExceedRetention() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(5_000_000, seed: 11)
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { consumer.hasEvent("partitions_assigned") }, "\(consumer.output)")
    // One by one: a broker that keeps 5 MiB silently loses what nobody has read.
    for (number, segment) in TestMessage.segments("large.png", image, size: 720_000).enumerated() {
      try broker.send([segment])
      let end = min((number + 1) * 720_000, image.count)
      #expect(eventually { storedBytes(of: "large.png") >= end }, "\(consumer.output)")
    }
    #expect(eventually { folder.rows.count == 1 })
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(["large.png": image], in: folder)
  }

  /// Segment files and temporary files of one image.
  private func storedBytes(of name: String) -> Int {
    let files = [TestFolder.output + "/" + name] + waitingFiles.map { Self.waiting + "/" + $0 }
    return files.compactMap { (try? FileStatus.of(folder.path + "/" + $0)) ?? nil }.map(\.size).max() ?? 0
  }
}
