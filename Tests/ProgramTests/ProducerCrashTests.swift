import Glibc
import TestSupport
import Testing

@testable import Platform

/// A producer that is killed, or whose broker is down, loses nothing.
@Suite(.ownThread) struct ProducerCrashTests {
  let folder = TestFolder()

  /// `KAFKA_TEST_BOOTSTRAP_SERVERS` adds a real broker to the embedded one.
  static let brokers: [String?] = Broker.realServers.map { [nil, $0] } ?? [nil]

  private static func broker(_ real: String?, partitions: Int = 1) throws -> Broker {
    if let real { return try Broker(real: real, partitions: partitions) }
    return try Broker(partitions: partitions)
  }

  @Test("a killed producer loses nothing, and each image is stored once", arguments: brokers)
  func killedProducerLosesNothing(real: String?) throws {
    let broker = try Self.broker(real, partitions: 3)
    let topic = try TopicContent(broker)
    let count = 1_200
    for number in 0..<count {
      try folder.write("images/\(number % 7)/\(number).jpg", SeededNumbers.bytes(2_000, seed: UInt64(number)))
    }
    // Killed soon after each run has sent a message. Sequentially, so that there is time for it.
    var kills = 0
    var sent: Int64 = 0
    let slow = broker.environment(["SETTLE_MS": "0", "KAFKA_BATCH_NUM_MESSAGES": "1", "KAFKA_MAX_IN_FLIGHT": "1"])
    while sent < Int64(count) * 3 / 4, kills < 12 {
      let producer = try Program(["producer"], in: folder, environment: slow)
      let before = sent
      let isFurther = eventually {
        sent = try topic.ends().values.reduce(0, +)
        return sent > before
      }
      #expect(isFurther, "\(producer.output)")
      producer.signal(SIGKILL)
      #expect(producer.exitCode() == 128 + SIGKILL)
      kills += 1
    }
    #expect(kills >= 2, "it was not interrupted")
    let last = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(last.exitCode() == 0, "\(last.output)")
    #expect(Set(try topic.names()).count == count)
    let consumer = try Program(["consumer", "--until-idle", "0.5"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(consumer.stored == 1_200, "\(consumer.output)")
    let verify = try Program(["verify", "--json"], in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
    #expect(verify.results.last?.number("verified") == 1_200, "\(verify.output)")
  }

  @Test("a restarted producer sends nothing again", arguments: [SIGTERM, SIGKILL])
  func restartSendsNothingAgain(signal: Int32) throws {
    let broker = try Broker(partitions: 2)
    let topic = try TopicContent(broker)
    for number in 0..<50 { try folder.write("images/\(number).jpg", SeededNumbers.bytes(1_000, seed: UInt64(number))) }
    let environment = broker.environment(["PROGRESS_SECONDS": "1"])
    let first = try Program(["producer"], in: folder, environment: environment)
    // Images logged as sent are in the ledger.
    #expect(eventually { first.hasEvent("progress", ["images": "50"]) }, "\(first.output)")
    first.signal(signal)
    #expect(first.exitCode() == (signal == SIGKILL ? 128 + SIGKILL : 0), "\(first.output)")
    try folder.write("images/new.jpg", [1])
    let second = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(second.sent == 1, "\(second.output)")
    #expect(try topic.names() == ((0..<50).map { "\($0).jpg" } + ["new.jpg"]).sorted())
  }

  @Test("a producer whose broker is down loses nothing, duplicates nothing and uses little CPU")
  func outageWastesNothing() throws {
    let broker = try Broker()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let limit = ["IN_FLIGHT_BYTES": "1000000", "SETTLE_MS": "1000", "RESCAN_MS": "100", "LOG_LEVEL": "debug"]
    let producer = try Program(["producer"], in: folder, environment: broker.environment(limit))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    // Acknowledged: after a lost answer, the embedded broker takes the repetition for another message.
    #expect(eventually { producer.hasEvent("image_sent", ["image": "ready.jpg"]) })
    broker.setDown(true)
    // Several times the in-flight limit, and less than the embedded broker keeps.
    for number in 0..<200 {
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(15_000, seed: UInt64(number)))
    }
    #expect(eventually { producer.hasEvent("librdkafka_log", naming: "_ALL_BROKERS_DOWN") }, "\(producer.output)")
    let before = try #require(producer.processorTime)
    pause(.seconds(2))  // The span that its CPU time is measured in.
    let used = try #require(producer.processorTime) - before
    #expect(used < .milliseconds(600), "\(used) of CPU time in 2 s of waiting")
    broker.setDown(false)
    let after = try TopicContent(broker)
    #expect(eventually { try after.ends()[0]! >= 201 }, "\(producer.output)")
    // A sanitizer takes many times the memory.
    #expect(try Sanitizer.isOn || #require(producer.peakMemory) < 96 << 20)
    #expect(producer.terminate() == 0, "\(producer.output)")
    let rest = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(rest.exitCode() == 0, "\(rest.output)")
    #expect(rest.sent == 0, "\(rest.output)")
    let names = try after.names()
    #expect(names.count == 201, "duplicated: \(Set(names.filter { name in names.count { $0 == name } > 1 }))")
    #expect(Set(names) == Set((0..<200).map { "\($0).jpg" } + ["ready.jpg"]))
  }

  @Test("termination does not wait for a broker that is down") func terminationNeedsNoBroker() throws {
    let broker = try Broker()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    broker.setDown(true)
    for number in 0..<20 { try folder.write("images/\(number).jpg", SeededNumbers.bytes(1_000, seed: UInt64(number))) }
    #expect(eventually { producer.hasEvent("librdkafka_log", naming: "_ALL_BROKERS_DOWN") }, "\(producer.output)")
    let start = ContinuousClock.now
    #expect(producer.terminate() == 0, "\(producer.output)")
    // Docker kills after 10 s.
    #expect(ContinuousClock.now - start < .milliseconds(9_500))
    broker.setDown(false)
    let rest = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(rest.exitCode() == 0, "\(rest.output)")
    #expect(Set(try TopicContent(broker).names()).count == 21)
  }
}
