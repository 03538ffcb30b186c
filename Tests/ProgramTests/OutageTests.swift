import Glibc
import Testing

@testable import Kafka
@testable import Platform

/// A real broker that is gone, or has lost the topic, for minutes, under both sides, with the time-outs that users have.
///
/// `make test-outage` runs them, with a broker that `KAFKA_TEST_KILL` and `KAFKA_TEST_RESUME` take away and bring back;
/// `OUTAGE_SECONDS` says for how long.
@Suite(
  .ownThread, .serialized,
  .enabled("OUTAGE_SECONDS says nothing, or no Apache Kafka is named") {
    Outage.seconds != nil && Broker.realServers != nil
  })
struct OutageTests {
  private let folder = Scratch()

  /// Both sides, as users start them.
  private func start(_ broker: Broker) throws -> [Outage.Side] {
    let environment = [
      "KAFKA_BOOTSTRAP_SERVERS": broker.servers, "TOPIC": broker.topic, "CONSUMER_GROUP": broker.group,
    ]
    return try ["producer", "consumer"].map { Outage.Side(try Program([$0], in: folder, environment: environment)) }
  }

  private func write(_ numbers: Range<Int>) throws -> [String: [UInt8]] {
    var images: [String: [UInt8]] = [:]
    for number in numbers {
      // One in fifty takes several messages.
      let bytes = Scratch.bytes(number % 50 == 7 ? 2_000_000 : 2_000 + number, seed: UInt64(number))
      images["\(number % 3)/\(number).jpg"] = bytes
      try folder.write("images/\(number % 3)/\(number).jpg", bytes)
    }
    return images
  }

  /// Images keep coming, two a second. Returns them.
  private func letPass(_ seconds: Int, from first: Int) throws -> [String: [UInt8]] {
    var images: [String: [UInt8]] = [:]
    let end = Clock.monotonicMilliseconds + Int64(seconds) * 1_000
    var number = first
    while Clock.monotonicMilliseconds < end {
      images.merge(try write(number..<number + 1)) { $1 }
      number += 1
      Clock.sleep(milliseconds: 500)
    }
    return images
  }

  private func end(_ sides: [Outage.Side], _ broker: Broker, _ images: [String: [UInt8]]) throws {
    for side in sides { #expect(side.program.terminate() == 0, "\(side.program.output.suffix(4_000))") }
    try expectStored(images, in: folder)
    let verify = try Program(["verify"], in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
    let again = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(again.exitCode() == 0 && again.output.contains("sent 0 images"), "\(again.output)")
  }

  @Test(.enabled("KAFKA_TEST_KILL and KAFKA_TEST_RESUME name no commands") { ChaosBroker.Commands.environment != nil })
  func aBrokerThatIsGoneForMinutesLosesNothingAndCostsNothing() throws {
    let commands = try #require(ChaosBroker.Commands.environment)
    let seconds = try #require(Outage.seconds)
    func run(_ command: String) throws {
      let program = try Program(["-c", command], in: folder, environment: ["NODE": ""], executable: "/bin/sh")
      #expect(program.exitCode(withinSeconds: 120) == 0, "\(program.output)")
    }
    let broker = try Broker.preferred(partitions: 2)
    var images = try write(0..<40)
    let sides = try start(broker)
    #expect(eventually { folder.rows.count == 40 }, "\(sides.map(\.program.output))")
    try run(commands.kill)
    for side in sides { side.begin() }
    images.merge(try letPass(seconds, from: 40)) { $1 }
    for side in sides { side.expectPatience(seconds) }
    try run(commands.resume)
    #expect(eventually(withinSeconds: 120) { folder.rows.count == images.count }, "\(sides.map(\.program.output))")
    try end(sides, broker, images)
  }

  @Test func aTopicThatIsGoneForAMinuteIsSaidAndEverythingIsStoredOnceItIsBack() throws {
    let broker = try Broker.preferred(partitions: 2)
    var images = try write(0..<40)
    let sides = try start(broker)
    #expect(eventually { folder.rows.count == 40 }, "\(sides.map(\.program.output))")
    try broker.removeTopics()
    for side in sides { side.begin() }
    images.merge(try letPass(60, from: 40)) { $1 }
    for side in sides { side.expectPatience(60) }
    // A broker that makes topics by being asked for them has made it when the producer did.
    let makesTopics = try !broker.ranges(broker.topic).isEmpty
    print("  the topic was made anew by \(makesTopics ? "the broker" : "us")")
    let (producer, consumer) = (sides[0].program, sides[1].program)
    if !makesTopics {
      #expect(producer.output.contains("not acknowledged, to be sent again"), "\(producer.output)")
      #expect(consumer.output.contains("Subscribed topic not available"), "\(consumer.output)")
      #expect(folder.rows.count == 40)
      let client = try KafkaProducer(broker.settings()) { _ in }
      _ = try client.createTopic(broker.topic, partitions: 2, timeoutMilliseconds: 30_000)
      client.close()
    }
    let isStored = eventually(withinSeconds: 120) { folder.rows.count == images.count }
    #expect(isStored, "\(folder.rows.count) of \(images.count)\n\(sides.map(\.program.output))")
    #expect(producer.output.contains("image-pipeline producer --resend"), "the cure: \(producer.output)")
    #expect(consumer.output.contains("the topic was made anew"), "\(consumer.output)")
    try end(sides, broker, images)
  }
}

enum Outage {
  static let seconds = getenv("OUTAGE_SECONDS").flatMap { Int(String(cString: $0)) }

  /// One of the two, and what it had used up when the outage began.
  final class Side {
    let program: Program
    private var lines = 0
    private var processor = 0

    init(_ program: Program) { self.program = program }

    private var lineCount: Int { program.output.split(separator: "\n").count }

    func begin() { (lines, processor) = (lineCount, program.processorMilliseconds ?? 0) }

    /// Expects it to be there, and to have said and used little meanwhile.
    func expectPatience(_ seconds: Int) {
      let said = (lineCount - lines) * 60 / seconds
      let used = ((program.processorMilliseconds ?? .max) - processor) / seconds
      let peak = program.peakMemory ?? .max
      print("  \(said) lines a minute, \(used) ms of processor time a second, \(peak >> 20) MB at most")
      #expect(!program.hasEnded, "\(program.output.suffix(4_000))")
      #expect(said < 30, "\(program.output.suffix(8_000))")
      #expect(used < 100)
      #expect(peak < 96 << 20)
    }
  }
}
