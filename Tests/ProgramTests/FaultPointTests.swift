import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// Killed at each step, once and again while it recovers from the first time: the program is the debug build, which
/// knows of `FAULT_POINT`.
@Suite(.ownThread) struct FaultPointTests {
  private let folder = Scratch()

  private static let ofConsumer: [FaultPoint] = [
    .temporaryWritten, .temporariesSynced, .lockTaken, .imageRenamed, .segmentRecorded, .imageAssembled, .foldersSynced,
    .rowsWritten, .rowsSynced, .positionsRecorded, .transactionCommitted, .offsetsCommitted,
  ]
  private static let ofProducer: [FaultPoint] = [
    .segmentHandedOver, .imageHandedOver, .imageAcknowledged, .ledgerWritten, .ledgerCommitted, .sentFileHandled,
  ]
  /// The producer's, where it does something with the files that it has sent.
  private static let afterSent: [FaultPoint] = [.sentFileChecked, .sentFileSetAside]

  @Test func everyPointIsTested() {
    #expect(
      Set(
        Self.ofConsumer + Self.ofProducer + Self.afterSent + LetterFaultPointTests.points + RepairFaultPointTests.points
      )
        == Set(FaultPoint.allCases))
  }

  /// Whole images, one that changes, and two in segments, in the order in which they are sent.
  private func messages() -> (all: [TestMessage], images: [String: [UInt8]]) {
    var messages = (0..<12).map { TestMessage.image("\($0).jpg", Scratch.bytes(300 + $0, seed: UInt64($0))) }
    for number in 0..<2 {
      let segments = TestMessage.segments(
        "large/\(number).png", Scratch.bytes(5_000, seed: UInt64(50 + number)), size: 1_500)
      for (place, segment) in segments.enumerated() { messages.insert(segment, at: 2 + number * 3 + place * 2) }
    }
    messages.append(.image("3.jpg", Scratch.bytes(77, seed: 99)))
    var images: [String: [UInt8]] = [:]
    for number in 0..<12 { images["\(number).jpg"] = Scratch.bytes(300 + number, seed: UInt64(number)) }
    for number in 0..<2 { images["large/\(number).png"] = Scratch.bytes(5_000, seed: UInt64(50 + number)) }
    images["3.jpg"] = Scratch.bytes(77, seed: 99)
    return (messages, images)
  }

  /// At the first visit twice: the second time it recovers from the first.
  @Test(arguments: ofConsumer, [[1, 1], [2]])
  func aConsumerThatIsKilledThereStoresEveryImageOnce(point: FaultPoint, visits: [Int]) throws {
    let broker = try Broker.preferred()
    let (messages, images) = messages()
    try broker.send(messages)
    let small = ["BATCH_IMAGES": "4"]
    for visit in visits {
      let victim = try Program(
        ["consumer", "--until-idle", "0.3"], in: folder,
        environment: broker.environment(small.merging(["FAULT_POINT": "\(point.rawValue):\(visit)"]) { $1 }))
      #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    }
    let stored = folder.rows.count
    _ = try Program.storeAll(in: folder, broker, small)
    #expect(stored < folder.rows.count, "it was killed with nothing left to do")
    #expect(try folder.files(Scratch.output) == images.keys.sorted())
    expectBytes(images, in: folder, Scratch.output)
    // The image that was changed has a row for each of its versions.
    #expect(folder.rowNames.sorted() == (images.keys + ["3.jpg"]).sorted())
    #expect(try folder.leftovers() == [])
    #expect(try !broker.hasDeadLetters)
  }

  @Test(arguments: ofProducer, ["keep", "move", "delete"])
  func aProducerThatIsKilledThereLosesAndDoublesNothing(point: FaultPoint, afterSent: String) throws {
    try killProducer(at: point, afterSent)
  }

  @Test(arguments: afterSent, ["move", "delete"])
  func aProducerThatIsKilledWhileItDealsWithASentFileLosesAndDoublesNothing(point: FaultPoint, action: String) throws {
    try killProducer(at: point, action)
  }

  private func killProducer(at point: FaultPoint, _ afterSent: String) throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    for number in 0..<10 {
      // The larger ones take several messages.
      images["\(number % 3)/\(number).jpg"] = Scratch.bytes(200 + number * 500, seed: UInt64(number))
    }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let environment = broker.environment(["SEGMENT_BYTES": "2000", "AFTER_SENT": afterSent, "SENT_DIR": "sent"])
    var kills = 0
    for _ in 1...2 {
      let victim = try Program(
        ["producer", "--once"], in: folder,
        environment: environment.merging(["FAULT_POINT": point.rawValue]) { $1 })
      let code = victim.exitCode()
      kills += code == 128 + SIGKILL ? 1 : 0
      // The second time nothing may be left to be done.
      #expect(code == 128 + SIGKILL || code == 0, "\(victim.output)")
    }
    #expect(kills >= 1)
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
    #expect(try left(afterSent, images) == [])
    if afterSent == "move" { expectBytes(images, in: folder, "sent") }
    let again = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(again.exitCode() == 0, "\(again.output)")
    #expect(again.output.contains("sent 0 images"), "\(again.output)")
  }

  /// What should be in the input folder no more.
  private func left(_ afterSent: String, _ images: [String: [UInt8]]) throws -> [String] {
    afterSent == "keep" ? [] : try folder.files("images")
  }
}
