import Telemetry
import Testing

@testable import ImagePipeline

/// The one thing that is wrong with an environment, or all of them.
private func problems(_ environment: [String: String]) -> [String] {
  do {
    _ = try EnvironmentReader.read(environment)
    return []
  } catch { return error.problems }
}

@Suite struct EnvironmentReaderTests {
  @Test func defaultsAreTheDocumentedOnes() throws {
    let configuration = try EnvironmentReader.read([:])
    let (producer, consumer) = (configuration.producer, configuration.consumer)
    #expect(producer.input == "images")
    #expect(producer.topic == "custom-image-topic")
    #expect(producer.newTopic == NewTopic() && consumer.newTopic == NewTopic())
    #expect(producer.newTopic.partitions == -1 && producer.newTopic.replicationFactor == -1)
    #expect(producer.newTopic.settings == [:])
    #expect(producer.stateFolder == ".image-pipeline")
    #expect(producer.extensions.count == 12)
    #expect(producer.settleMilliseconds == 1_000)
    #expect(producer.rescanMilliseconds == 10_000)
    #expect(producer.afterSent == .keep)
    #expect(producer.sentFolder == "images/.sent")
    #expect(producer.segmentBytes == 720_000)
    #expect(producer.inFlightBytes == 8 << 20)
    #expect(!producer.once && !producer.resend)
    #expect(consumer.topic == "custom-image-topic")
    #expect(consumer.outputPath == "processed_images")
    #expect(consumer.csvPath == "processed_image_data.csv")
    #expect(consumer.batchImages == 1024)
    #expect(consumer.batchBytes == 16 << 20)
    #expect(consumer.segmentTimeout == 3_600_000)
    #expect(consumer.kafka.values["group.id"] == "custom_img_consumer_group")
    #expect(configuration.logLevel == .info)
    #expect(configuration.logFormat == .text)
    #expect(configuration.progressMilliseconds == 5_000)
    #expect(!configuration.hasOwnCSVPath)
    #expect(configuration.warnings == [])
  }

  @Test func settingsDefaultToTheSameWithoutAnEnvironment() throws {
    let read = try EnvironmentReader.read([:])
    let plain = ConsumerSettings(topic: "t", outputPath: "o", csvPath: "c", kafka: read.consumer.kafka)
    #expect(plain.batchImages == read.consumer.batchImages)
    #expect(plain.batchBytes == read.consumer.batchBytes)
    #expect(plain.segmentTimeout == read.consumer.segmentTimeout)
    let producer = ProducerSettings(input: "i", topic: "t", stateFolder: "s", kafka: read.producer.kafka)
    #expect(producer.settleMilliseconds == read.producer.settleMilliseconds)
    #expect(producer.rescanMilliseconds == read.producer.rescanMilliseconds)
    #expect(producer.segmentBytes == read.producer.segmentBytes)
    #expect(producer.inFlightBytes == read.producer.inFlightBytes)
  }

  @Test func everyVariableIsRead() throws {
    let configuration = try EnvironmentReader.read([
      "TOPIC": "t.1_a-B", "TOPIC_PARTITIONS": "6", "CONSUMER_GROUP": "g", "IMAGES_DIR": "/in", "STATE_DIR": "/state",
      "IMAGE_EXTENSIONS": " .JPG, png ,", "SETTLE_MS": "0", "RESCAN_MS": "100", "AFTER_SENT": "Move",
      "SENT_DIR": "/sent", "SEGMENT_BYTES": "1000", "IN_FLIGHT_BYTES": "1000000", "PROCESSED_IMAGES_DIR": "/out",
      "CSV_PATH": "/rows.csv", "BATCH_IMAGES": "1", "BATCH_BYTES": "2", "SEGMENT_TIMEOUT": "3", "LOG_LEVEL": "WARN",
      "LOG_FORMAT": "JSON", "PROGRESS_SECONDS": "0", "TOPIC_REPLICATION_FACTOR": "3", "TOPIC_RETENTION_MS": "86400000",
      "TOPIC_RETENTION_BYTES": "-1",
    ])
    let (producer, consumer) = (configuration.producer, configuration.consumer)
    #expect(producer.topic == "t.1_a-B" && consumer.topic == "t.1_a-B")
    #expect(producer.newTopic == consumer.newTopic)
    #expect(producer.newTopic.partitions == 6 && producer.newTopic.replicationFactor == 3)
    #expect(producer.newTopic.settings == ["retention.ms": "86400000", "retention.bytes": "-1"])
    #expect(consumer.kafka.values["group.id"] == "g")
    #expect(producer.kafka.values["group.id"] == nil)
    #expect(producer.input == "/in" && producer.stateFolder == "/state" && producer.sentFolder == "/sent")
    #expect(producer.extensions == ["JPG", "png"])
    #expect(producer.settleMilliseconds == 0 && producer.rescanMilliseconds == 100)
    #expect(producer.afterSent == .move)
    #expect(producer.segmentBytes == 1_000 && producer.inFlightBytes == 1_000_000)
    #expect(consumer.outputPath == "/out" && consumer.csvPath == "/rows.csv")
    #expect(configuration.hasOwnCSVPath)
    #expect(consumer.batchImages == 1 && consumer.batchBytes == 2 && consumer.segmentTimeout == 3_000)
    #expect(configuration.logLevel == .warning && configuration.logFormat == .json)
    #expect(configuration.progressMilliseconds == 0)
  }

  @Test func anEmptyVariableIsOneThatIsNotSet() throws {
    let empty = Dictionary(uniqueKeysWithValues: Variable.all.keys.map { ($0, "") })
    let configuration = try EnvironmentReader.read(empty)
    #expect(configuration.producer.input == "images")
    #expect(configuration.producer.sentFolder == "images/.sent")
    #expect(configuration.producer.kafka.values["bootstrap.servers"] == "localhost:9092")
    #expect(!configuration.hasOwnCSVPath)
  }

  @Test func theSentFolderFollowsTheInput() throws {
    #expect(try EnvironmentReader.read(["IMAGES_DIR": "/in"]).producer.sentFolder == "/in/.sent")
  }

  @Test(arguments: [
    ("TOPIC", "a b"), ("TOPIC", "."), ("TOPIC", ".."), ("TOPIC", "é"), ("TOPIC", String(repeating: "x", count: 250)),
    ("TOPIC_PARTITIONS", "0"), ("TOPIC_PARTITIONS", "-2"), ("TOPIC_PARTITIONS", "10001"), ("SETTLE_MS", "-1"),
    ("SETTLE_MS", "1s"), ("SETTLE_MS", " 1"), ("SETTLE_MS", "99999999999999999999"), ("RESCAN_MS", "99"),
    ("IMAGE_EXTENSIONS", " , ."), ("AFTER_SENT", "burn"), ("SEGMENT_BYTES", "999"), ("IN_FLIGHT_BYTES", "0"),
    ("BATCH_IMAGES", "0"), ("BATCH_BYTES", "0"), ("SEGMENT_TIMEOUT", "0"), ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"), ("PROGRESS_SECONDS", "-1"), ("TOPIC_REPLICATION_FACTOR", "0"),
    ("TOPIC_REPLICATION_FACTOR", "-2"), ("TOPIC_REPLICATION_FACTOR", "three"), ("TOPIC_RETENTION_MS", "0"),
    ("TOPIC_RETENTION_MS", "-2"), ("TOPIC_RETENTION_MS", "7 days"), ("TOPIC_RETENTION_BYTES", "0"),
    ("TOPIC_RETENTION_BYTES", "1GB"), ("TOPIC_RETENTION_BYTES", "99999999999999999999"),
  ])
  func aValueThatCannotBeUsedIsAnErrorWithVariableValueAndCure(name: String, value: String) throws {
    let found = problems([name: value])
    #expect(found.count == 1)
    let problem = try #require(found.first)
    #expect(problem.hasPrefix("\(name)=\(value) cannot be used: "))
    #expect(problem.contains("use ") || problem.contains("name some"))
  }

  @Test func severalProblemsAreReportedAtOnce() {
    let found = problems([
      "TOPIC": "a b", "BATCH_IMAGES": "x", "LOG_LEVEL": "loud", "KAFKA_ACKS": "1", "KAFKA_LINGER_MS": "soon",
    ])
    #expect(found.count == 5)
    for name in ["TOPIC", "BATCH_IMAGES", "LOG_LEVEL", "KAFKA_ACKS", "KAFKA_LINGER_MS"] {
      #expect(found.contains { $0.hasPrefix(name + "=") }, "\(name)")
    }
    #expect("\(ConfigurationError(problems: found))".split(separator: "\n").count == 5)
  }

  // MARK: Segments against the message limit

  @Test func aSegmentMustFitTheMessageLimit() throws {
    #expect(problems(["SEGMENT_BYTES": "720000"]) == [])
    let found = problems(["SEGMENT_BYTES": "720001"])
    #expect(found.count == 1)
    #expect(found.first?.contains("KAFKA_MESSAGE_MAX_BYTES=1000000 use 720000 or less") == true)
  }

  @Test func aLargerMessageLimitAllowsLargerSegments() throws {
    #expect(problems(["SEGMENT_BYTES": "7000000", "KAFKA_MESSAGE_MAX_BYTES": "10000000"]) == [])
    let small = problems(["KAFKA_MESSAGE_MAX_BYTES": "500000"])
    #expect(small.first?.hasPrefix("SEGMENT_BYTES=720000") == true)
    #expect(small.first?.contains("345000") == true)
    #expect(problems(["KAFKA_MESSAGE_MAX_BYTES": "500000", "SEGMENT_BYTES": "345000"]) == [])
  }

  @Test func aLimitThatNoSegmentFitsNamesTheLimit() {
    let found = problems(["KAFKA_MESSAGE_MAX_BYTES": "1000"])
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("KAFKA_MESSAGE_MAX_BYTES=1000 cannot be used: ") == true)
  }

  @Test(arguments: [1_000, 345_000, 720_000])
  func theLargestSegmentWithTheLongestNameStaysBelowTheLimit(segment: Int) {
    let limit = segment / 3 * 4 + 40_000
    let name = String(repeating: "\u{1}", count: ImageName.longestName)
    let headers = ImageHeaders(
      digest: digest(of: ""), length: .max,
      segment: .init(id: String(repeating: "0", count: 64), index: .max, count: .max, position: .max))
    let size =
      Envelope(name: name).size(carrying: segment) + name.utf8.count
      + headers.kafkaHeaders.reduce(0) { $0 + $1.name.utf8.count + $1.value.count + 10 }
    #expect(size + 500 < limit)
  }
}
