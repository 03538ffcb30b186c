import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite(.ownThread) struct ConsumerCrashTests {
  private let folder = TestFolder()

  /// Small batches: more transactions give more moments to be killed in.
  private let small = ["BATCH_IMAGES": "7", "SEGMENT_TIMEOUT": "600"]

  /// Sends some hundreds of images, some of them in segments. Returns the expected output.
  private func fill(_ broker: Broker, _ number: Int) throws -> [String: [UInt8]] {
    var images = sampleImages(number)
    var messages = images.sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    for large in 0..<8 {
      let name = "large/\(large).png"
      let bytes = SeededNumbers.bytes(9_000 + large * 1_111, seed: UInt64(1_000 + large))
      images[name] = bytes
      // In between, so that a kill between two segments is as likely as any.
      for (number, segment) in TestMessage.segments(name, bytes, size: 2_000).enumerated() {
        messages.insert(segment, at: (large * 13 + number * 29) % messages.count)
      }
    }
    try broker.send(messages)
    return images
  }

  private func consumer(_ broker: Broker) throws -> Program {
    try Program(["consumer"], in: folder, environment: broker.environment(small))
  }

  /// Returns at a random moment after some more rows are stored.
  private func atARandomInstant(_ numbers: inout SeededNumbers) {
    let goal = folder.rows.count + numbers.number(1...30)
    _ = eventually(within: .seconds(15)) { folder.rows.count >= goal }
    pause(.milliseconds(numbers.number(0...25)))
  }

  @Test("a consumer that is killed repeatedly stores every image once") func killedConsumerStoresOnce() throws {
    let broker = try Broker.preferred()
    let images = try fill(broker, 300)
    var numbers = SeededNumbers.printed()
    for _ in 1...5 {
      let victim = try consumer(broker)
      atARandomInstant(&numbers)
      victim.signal(SIGKILL)
      #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    }
    _ = try Program.storeAll(in: folder, broker, small)
    try expectStored(images, in: folder)
  }

  @Test("two consumers of one output that are killed in turn store every image once") func killedPairStoresOnce() throws
  {
    let broker = try Broker.preferred(partitions: 4)
    let images = try fill(broker, 400)
    var pair = [try consumer(broker), try consumer(broker)]
    var numbers = SeededNumbers.printed()
    for _ in 1...4 {
      atARandomInstant(&numbers)
      let victim = numbers.number(0...1)
      pair[victim].signal(SIGKILL)
      #expect(pair[victim].exitCode() == 128 + SIGKILL, "\(pair[victim].output)")
      pair[victim] = try consumer(broker)
    }
    #expect(eventually(within: .seconds(60)) { folder.rows.count == images.count }, "\(folder.rows.count) rows")
    for consumer in pair { consumer.signal(SIGTERM) }
    for consumer in pair { #expect(consumer.exitCode(within: .seconds(15)) == 0, "\(consumer.output)") }
    #expect(try Program.storeAll(in: folder, broker, small).stored == 0)
    try expectStored(images, in: folder)
  }

  @Test("a suspended consumer that resumes after another has taken over duplicates nothing")
  func resumedConsumerDuplicatesNothing() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = try fill(broker, 400)
    let sleeper = try consumer(broker)
    #expect(eventually { folder.rows.count > 20 })
    let other = try consumer(broker)
    sleeper.signal(SIGSTOP)
    // Suspended during its transaction, it blocks the other one, as it must.
    while folder.rows.count < images.count {
      let before = folder.rows.count
      if eventually(within: .seconds(12), { folder.rows.count > before }) { continue }
      sleeper.signal(SIGCONT)
      pause(.milliseconds(3))
      sleeper.signal(SIGSTOP)
    }
    sleeper.signal(SIGCONT)
    // It has to learn what it missed before it ends.
    try broker.send((0..<4).map { TestMessage.image("after/\($0).jpg", [UInt8($0)]) })
    let all = images.merging((0..<4).map { ("after/\($0).jpg", [UInt8($0)]) }) { $1 }
    #expect(eventually { folder.rows.count >= all.count })
    for consumer in [sleeper, other] { consumer.signal(SIGTERM) }
    for consumer in [sleeper, other] { #expect(consumer.exitCode(within: .seconds(15)) == 0, "\(consumer.output)") }
    // Segments that the loser wrote are removed by a later start, once they are old enough.
    let isClean = eventually(within: .seconds(60)) {
      let output = try Program.storeAll(in: folder, broker, ["SEGMENT_TIMEOUT": "1"]).output
      #expect(output.log.stored == 0)
      return try folder.leftovers() == []
    }
    #expect(isClean)
    try expectStored(all, in: folder)
  }

  @Test("a consumer exits soon after SIGTERM, and the next one continues") func stoppedConsumerExitsInTime() throws {
    let broker = try Broker.preferred()
    let images = try fill(broker, 400)
    let first = try consumer(broker)
    #expect(eventually { folder.rows.count > 30 })
    first.signal(SIGTERM)
    #expect(first.exitCode(within: .seconds(10)) == 0, "\(first.output)")
    let stored = folder.rows.count
    #expect(stored < images.count)
    #expect(first.stored == stored, "\(first.output)")
    let output = try Program.storeAll(in: folder, broker, small).output
    #expect(output.log.stored == images.count - stored, "\(output)")
    try expectStored(images, in: folder)
  }
}
