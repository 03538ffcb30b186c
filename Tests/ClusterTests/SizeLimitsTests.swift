import TestSupport
import Testing

@testable import Cluster
@testable import Configuration
@testable import Telemetry
@testable import Wire

/// Every size limit on the way, compared with what has to pass it.
@Suite struct DoctorSizeLimitsTests {
  /// All limits at their defaults.
  private func usual() -> SizeLimits {
    SizeLimits(
      sending: .init(
        segmentBytes: WireFormat.defaultSegmentBytes, inFlightBytes: 8 << 20, messageMaximum: 1_000_000,
        batchSize: 1_000_000, queueBytes: 64 << 20, largest: ("cat/a.tif", 2_000_000)),
      storing: .init(
        fetchMessageMaximum: 131_072, fetchMaximum: 1_000_000, receiveMaximum: 100_000_000, batchBytes: 6 << 20,
        free: 1 << 40),
      topic: "images", topicMaximum: 1_048_588, topicRetention: -1, isTopicThere: true,
      brokers: [
        .init(
          id: 1,
          settings: [
            "message.max.bytes": "1048588", "replica.fetch.max.bytes": "1048576",
            "socket.request.max.bytes": "104857600",
          ])
      ],
      lettersTopic: "images-dlq", lettersMaximum: 1_048_588 + 65_536)
  }

  private func problems(_ limits: SizeLimits) -> [Finding] { limits.findings().filter { $0.level == .problem } }
  private func notes(_ limits: SizeLimits) -> [Finding] { limits.findings().filter { $0.level == .note } }

  @Test("the default limits fit together from client to disk") func defaultsFitTogether() {
    let findings = usual().findings()
    #expect(findings.allSatisfy { $0.level == .ok }, "\(findings.filter { $0.level != .ok })")
    let names = findings.compactMap(\.subject?.name)
    #expect(
      names == [
        "SEGMENT_BYTES", "message.max.bytes of the client", "batch.size", "queue.buffering.max.kbytes",
        "IN_FLIGHT_BYTES", "max.message.bytes of images", "message.max.bytes of broker 1",
        "replica.fetch.max.bytes of broker 1", "socket.request.max.bytes of broker 1",
        "max.message.bytes of images-dlq", "fetch.message.max.bytes", "fetch.max.bytes", "receive.message.max.bytes",
        "BATCH_BYTES", "the largest image", "the disk of the output",
      ])
    #expect(findings.first { $0.check == "largest_image" }?.text.hasSuffix("3 messages") == true)
  }

  /// The same sum bounds the configuration.
  @Test("the largest message follows from the configuration", arguments: WireFormat.allCases)
  func largestMessageIsComputed(format: WireFormat) throws {
    let name = String(repeating: "\u{1}", count: ImageName.longestName)
    let envelope = Envelope(name: name, format: format)
    let others = envelope.headers + ImageHeaders(digest: nil, length: nil).kafkaHeaders
    let beside = name.utf8.count + others.reduce(0) { $0 + $1.nameBytes.count + $1.value.count }
    for limit in [100_000, 1_000_000, 5_000_000] {
      let environment = { (bytes: Int) in
        ["SEGMENT_BYTES": String(bytes), "KAFKA_MESSAGE_MAX_BYTES": String(limit), "WIRE_FORMAT": format.rawValue]
      }
      let small = try EnvironmentReader.read(environment(1_000)).producer
      let fitting = SizeLimits.Sending(small, largest: nil).segmentBytes(fitting: limit)
      let settings = try EnvironmentReader.read(environment(fitting)).producer
      #expect(SizeLimits.Sending(settings, largest: nil).largestMessage <= limit)
      #expect(envelope.size(carrying: fitting) + beside <= limit)
      #expect(throws: ConfigurationError.self) { try EnvironmentReader.read(environment(fitting + 3)) }
    }
  }

  @Test("a low topic limit is fixed by a command or by smaller segments") func lowTopicLimitHasTwoFixes() throws {
    var limits = usual()
    limits.topicMaximum = 500_000
    let problem = try #require(problems(limits).first)
    #expect(problems(limits).count == 1)
    #expect(problem.subject == .init(name: "max.message.bytes of images", value: "500,000"))
    #expect(problem.check == "topic_message_size" && problem.text.contains("1,000,000"))
    #expect(
      problem.cure == "kafka-configs --alter --entity-type topics --entity-name images --add-config "
        + "max.message.bytes=1000000, or for the producer: SEGMENT_BYTES=345000 KAFKA_BATCH_SIZE=500000")
    // The fix works.
    limits.sending?.segmentBytes = 345_000
    #expect(problems(limits).count == 1, "small messages still travel together")
    limits.sending?.batchSize = 500_000
    #expect(problems(limits) == [])
    limits.topicMaximum = 20_000
    #expect(problems(limits).first?.cure?.contains("SEGMENT_BYTES") == false, "no segment is so small")
  }

  @Test("the broker's limit counts if the topic does not exist yet") func brokerLimitCountsForNewTopic() throws {
    var limits = usual()
    limits.brokers[0].settings["message.max.bytes"] = "300000"
    #expect(problems(limits) == [], "the topic has its own")
    limits.isTopicThere = false
    limits.topicMaximum = nil
    let problem = try #require(problems(limits).first)
    #expect(problem.check == "broker_message_size" && problem.subject?.name == "message.max.bytes of broker 1")
    #expect(
      problem.cure?.contains("--entity-type brokers --entity-name 1 --add-config message.max.bytes=1000000") == true)
    limits.brokers[0].settings["socket.request.max.bytes"] = "900000"
    #expect(problems(limits).count == 2)
    #expect(problems(limits)[1].cure?.contains("KAFKA_SOCKET_REQUEST_MAX_BYTES") == true)
  }

  @Test("the client's limits are named by their variables") func clientLimitsNameVariables() {
    var limits = usual()
    limits.sending?.messageMaximum = 500_000
    #expect(problems(limits).first?.cure == "set KAFKA_MESSAGE_MAX_BYTES=1000000, or SEGMENT_BYTES=345000")
    limits = usual()
    limits.sending?.queueBytes = 512 << 10
    #expect(problems(limits).first?.cure?.contains("KAFKA_QUEUE_BUFFERING_MAX_KBYTES") == true)
    limits = usual()
    limits.sending?.inFlightBytes = 100 << 20
    #expect(
      problems(limits) == [] && notes(limits).first?.cure?.contains("KAFKA_QUEUE_BUFFERING_MAX_KBYTES=103424") == true)
    limits = usual()
    limits.sending?.inFlightBytes = 1_000_000
    limits.sending?.segmentBytes = 750_000
    limits.sending?.messageMaximum = 2_000_000
    #expect(problems(limits) == [] && notes(limits) == [], "larger than what may be in flight, a message goes alone")
  }

  @Test("a message larger than the consumer can receive is a problem") func unreceivableSizeIsAProblem() {
    var limits = usual()
    limits.storing?.receiveMaximum = 1_000_000
    #expect(problems(limits).first?.check == "receive_size")
    #expect(problems(limits).first?.cure?.contains("KAFKA_RECEIVE_MESSAGE_MAX_BYTES=1049100") == true)
    limits = usual()
    limits.topicMaximum = 100 << 20
    limits.lettersMaximum = nil
    #expect(problems(limits).first?.cure?.contains("KAFKA_RECEIVE_MESSAGE_MAX_BYTES=") == true)
    #expect(notes(limits).first?.check == "consumer_memory")
  }

  @Test("dead letters too large for their topic are a note") func oversizedLettersAreANote() {
    var limits = usual()
    limits.lettersMaximum = 1_048_588
    #expect(problems(limits) == [])
    #expect(
      notes(limits).first?.cure?.hasSuffix("--entity-name images-dlq --add-config max.message.bytes=1114124") == true)
  }

  @Test("the largest image must fit the disk and the partition") func largestImageMustFit() {
    var limits = usual()
    limits.storing?.free = 1_500_000
    #expect(problems(limits).first?.check == "output_size")
    limits = usual()
    limits.topicRetention = 2_000_000
    #expect(notes(limits).first?.cure?.contains("retention.bytes=5333336") == true)
    limits.topicRetention = 3_000_000
    #expect(notes(limits) == [])
  }

  @Test("each side sees its own part") func sidesSeeTheirPart() {
    var limits = usual()
    limits.storing = nil
    #expect(
      !limits.findings().contains { $0.check == "batch_size" || $0.check == "output_size" })
    limits = usual()
    limits.sending = nil
    limits.topicMaximum = 1_000
    #expect(problems(limits) == [], "what the producer sends is not known here")
    #expect(!limits.findings().contains { $0.check == "segment_size" })
  }

  @Test("limits come from the environment and the library's defaults") func limitsComeFromSettings() throws {
    let configuration = try EnvironmentReader.read([
      "KAFKA_MESSAGE_MAX_BYTES": "3000000", "KAFKA_QUEUE_BUFFERING_MAX_KBYTES": "2048", "BATCH_BYTES": "7",
      "KAFKA_MAX_PARTITION_FETCH_BYTES": "222222",
    ])
    let sending = SizeLimits.Sending(configuration.producer, largest: nil)
    #expect(sending.messageMaximum == 3_000_000 && sending.queueBytes == 2 << 20 && sending.batchSize == 1_000_000)
    let storing = SizeLimits.Storing(configuration.consumer, free: nil)
    #expect(storing.receiveMaximum == 100_000_000 && storing.fetchMaximum == 3_000_000 && storing.batchBytes == 7)
    #expect(storing.fetchMessageMaximum == 222_222)
  }
}
