import Glibc
import StoreSupport
import TestSupport
import Testing

@testable import Platform

/// A consumer of a bucket is killed at each step, and another one continues on another host: nothing of the first is
/// left but what the bucket has.
@Suite(.ownThread, .onStores) struct BucketFaultPointTests {
  static let points: [FaultPoint] = [.imagesUploaded, .notesWritten, .batchLogged]
  private static let others: [FaultPoint] = [
    .lockTaken, .segmentRecorded, .imageAssembled, .positionsRecorded, .transactionCommitted, .offsetsCommitted,
  ]

  /// Whole images, one that changes, one that arrives twice, two in segments, and a message that cannot be stored.
  private func messages() -> (all: [TestMessage], images: [String: [UInt8]]) {
    var images: [String: [UInt8]] = [:]
    for number in 0..<12 { images["\(number).jpg"] = SeededNumbers.bytes(300 + number, seed: UInt64(number)) }
    var messages = (0..<12).map { TestMessage.image("\($0).jpg", images["\($0).jpg"]!) }
    for number in 0..<2 {
      let bytes = SeededNumbers.bytes(5_000, seed: UInt64(50 + number))
      images["large/\(number).png"] = bytes
      let segments = TestMessage.segments("large/\(number).png", bytes, size: 1_500)
      for (place, segment) in segments.enumerated() { messages.insert(segment, at: 2 + number * 3 + place * 2) }
    }
    messages.insert(.image("5.jpg", images["5.jpg"]!), at: messages.count - 2)
    messages.insert(.image("../x.jpg", [1]), at: 6)
    images["3.jpg"] = SeededNumbers.bytes(77, seed: 99)
    messages.append(.image("3.jpg", images["3.jpg"]!))
    return (messages, images)
  }

  @Test(
    "a consumer of a bucket that is killed at any step of its own stores every image once", arguments: TestStore.all,
    points)
  func ownSteps(_ store: TestStore, _ point: FaultPoint) throws {
    for visits in [[1, 1], [2]] { try kill(store, point, visits) }
  }

  @Test(
    "a consumer of a bucket that is killed at any step that it shares with folders stores every image once",
    arguments: TestStore.all.prefix(1), others)
  func sharedSteps(_ store: TestStore, _ point: FaultPoint) throws { try kill(store, point, [1, 2]) }

  private func kill(_ store: TestStore, _ point: FaultPoint, _ visits: [Int]) throws {
    let broker = try Broker.preferred()
    let (messages, images) = messages()
    try broker.send(messages)
    try BucketContent.with(store) { bucket in
      let small = bucket.environment(broker, ["BATCH_IMAGES": "4"])
      for visit in visits {
        // A host of its own: nothing of it is there later.
        let host = TestFolder()
        let victim = try Program(
          ["consumer", "--until-idle", "0.3"], in: host,
          environment: small.merging(["FAULT_POINT": "\(point.rawValue):\(visit)", "TMPDIR": host.path]) { $1 })
        #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
      }
      let stored = try bucket.rows().count
      let host = TestFolder()
      let last = try Program(["consumer", "--until-idle", "0.3"], in: host, environment: small)
      #expect(last.exitCode() == 0, "\(last.output)")
      #expect(try stored < bucket.rows().count, "it was killed with nothing left to do")
      try bucket.expect(images)
      #expect(try bucket.rowNames().sorted() == (images.keys + ["3.jpg"]).sorted())
    }
  }
}
