import TestSupport
import Testing

@testable import Configuration
@testable import Kafka
@testable import Platform

/// Everything that is wrong with an environment.
func environmentProblems(_ environment: [String: String]) -> [String] {
  do {
    return try EnvironmentReader.read(environment).pageProblems
  } catch { return error.problems }
}

@Suite struct EnvironmentReaderTests {
  @Test("the defaults are as documented") func defaultsAreAsDocumented() throws {
    let configuration = try EnvironmentReader.read([:])
    let (producer, consumer) = (configuration.producer, configuration.consumer)
    #expect(producer.input == "images")
    #expect(producer.topic == "custom-image-topic")
    #expect(producer.newTopic == NewTopic() && consumer.newTopic == NewTopic())
    #expect(producer.newTopic.partitions == -1 && producer.newTopic.replicationFactor == -1)
    #expect(producer.newTopic.settings == [:])
    #expect(producer.stateFolder == ".image-pipeline")
    #expect(producer.extensions.count == 14)
    #expect(producer.settling == .seconds(1))
    #expect(producer.rescan == .seconds(10))
    #expect(producer.afterSent == .keep)
    #expect(producer.sentFolder == "images/.sent")
    #expect(producer.receiptsNeeded == 1)
    #expect(producer.segmentBytes == 720_000)
    #expect(producer.inFlightBytes == 8 << 20)
    #expect(!producer.once && !producer.resend)
    #expect(consumer.topic == "custom-image-topic")
    #expect(consumer.outputPath == "processed_images")
    #expect(consumer.csvPath == "processed_image_data.csv")
    #expect(consumer.batchImages == 2_048)
    #expect(consumer.batchBytes == 16 << 20)
    #expect(consumer.segmentTimeout == .seconds(3600))
    #expect(consumer.receipts)
    #expect(consumer.kafka.values["group.id"] == "custom_img_consumer_group")
    #expect(configuration.logLevel == .info)
    #expect(configuration.logFormat == .text)
    #expect(configuration.progressInterval == .seconds(5))
    #expect(!configuration.hasOwnCSVPath)
    #expect(configuration.warnings == [])
  }

  @Test("the settings types have the same defaults") func settingsHaveTheSameDefaults() throws {
    let read = try EnvironmentReader.read([:])
    let plain = ConsumerSettings(topic: "t", outputPath: "o", csvPath: "c", kafka: read.consumer.kafka)
    #expect(plain.batchImages == read.consumer.batchImages)
    #expect(plain.batchBytes == read.consumer.batchBytes)
    #expect(plain.segmentTimeout == read.consumer.segmentTimeout)
    #expect(plain.receipts == read.consumer.receipts)
    let producer = ProducerSettings(input: "i", topic: "t", stateFolder: "s", kafka: read.producer.kafka)
    #expect(producer.settling == read.producer.settling)
    #expect(producer.rescan == read.producer.rescan)
    #expect(producer.segmentBytes == read.producer.segmentBytes)
    #expect(producer.inFlightBytes == read.producer.inFlightBytes)
  }

  @Test("every variable is read") func everyVariableIsRead() throws {
    let configuration = try EnvironmentReader.read([
      "TOPIC": "t.1_a-B", "TOPIC_PARTITIONS": "6", "CONSUMER_GROUP": "g", "IMAGES_DIR": "/in", "STATE_DIR": "/state",
      "IMAGE_EXTENSIONS": " .JPG, png ,", "SETTLE_MS": "0", "RESCAN_MS": "100", "AFTER_SENT": "Move",
      "SENT_DIR": "/sent", "SEGMENT_BYTES": "1000", "IN_FLIGHT_BYTES": "1000000", "PROCESSED_IMAGES_DIR": "/out",
      "CSV_PATH": "/rows.csv", "BATCH_IMAGES": "1", "BATCH_BYTES": "2", "SEGMENT_TIMEOUT": "3", "RECEIPTS": "Off",
      "LOG_LEVEL": "WARN",
      "LOG_FORMAT": "JSON", "PROGRESS_SECONDS": "0", "TOPIC_REPLICATION_FACTOR": "3", "TOPIC_RETENTION_MS": "86400000",
      "TOPIC_RETENTION_BYTES": "-1", "RECEIPTS_NEEDED": "0",
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
    #expect(producer.settling == .zero && producer.rescan == .milliseconds(100))
    #expect(!consumer.receipts)
    #expect(producer.afterSent == .move && producer.receiptsNeeded == 0)
    #expect(producer.segmentBytes == 1_000 && producer.inFlightBytes == 1_000_000)
    #expect(consumer.outputPath == "/out" && consumer.csvPath == "/rows.csv")
    #expect(configuration.hasOwnCSVPath)
    #expect(consumer.batchImages == 1 && consumer.batchBytes == 2 && consumer.segmentTimeout == .seconds(3))
    #expect(configuration.logLevel == .warning && configuration.logFormat == .json)
    #expect(configuration.progressInterval == .zero)
  }

  @Test("the page is for this machine unless somebody decides otherwise") func pageIsForThisMachine() throws {
    let page = try EnvironmentReader.read([:]).page
    #expect(
      page == PageSettings(address: "127.0.0.1", port: 8080, hosts: [], output: "processed_images", input: "images"))
    let other = try EnvironmentReader.read([
      "HTTP_ADDRESS": "[::]", "PAGE_PORT": "80", "PAGE_HOSTS": "a.example, [fe80::1] b", "IMAGES_DIR": "/in",
      "PROCESSED_IMAGES_DIR": "/out",
    ]).page
    #expect(
      other
        == PageSettings(address: "::", port: 80, hosts: ["a.example", "[fe80::1]", "b"], output: "/out", input: "/in"))
  }

  @Test("the page's sides have the containers' port unless they name another one") func pageSidesAreRead() throws {
    let sides = try EnvironmentReader.read(["PAGE_SIDES": " producer, consumer:81 [::1],[::1]:82 producer:8080,"]).page
      .sides
    #expect(sides.map { "\($0)" } == ["producer:8080", "consumer:81", "[::1]:8080", "[::1]:82"])
    for unusable in ["fe80::1:8080", "[::1"] {
      #expect(environmentProblems(["PAGE_SIDES": unusable]).first?.contains("bracket") == true)
    }
  }

  @Test("an empty variable counts as unset") func emptyVariableIsUnset() throws {
    let empty = Dictionary(uniqueKeysWithValues: Variable.all.keys.map { ($0, "") })
    let configuration = try EnvironmentReader.read(empty)
    #expect(configuration.producer.input == "images")
    #expect(configuration.producer.sentFolder == "images/.sent")
    #expect(configuration.producer.kafka.values["bootstrap.servers"] == "localhost:9092")
    #expect(!configuration.hasOwnCSVPath)
  }

  @Test("the sent folder follows the input") func sentFolderFollowsInput() throws {
    #expect(try EnvironmentReader.read(["IMAGES_DIR": "/in"]).producer.sentFolder == "/in/.sent")
  }

  @Test(
    "an unusable value is an error with variable, value and fix",
    arguments: [
      ("TOPIC", "a b"), ("TOPIC", "."), ("TOPIC", ".."), ("TOPIC", "é"), ("TOPIC", String(repeating: "x", count: 250)),
      ("TOPIC_PARTITIONS", "0"), ("TOPIC_PARTITIONS", "-2"), ("TOPIC_PARTITIONS", "10001"), ("SETTLE_MS", "-1"),
      ("SETTLE_MS", "1x"), ("SETTLE_MS", "1 000"), ("SETTLE_MS", "1,000"), ("SETTLE_MS", "1.5s"), ("SETTLE_MS", "0x10"),
      ("SETTLE_MS", "2h"), ("SETTLE_MS", "s"), ("SETTLE_MS", "1_"), ("SETTLE_MS", "99999999999999999999"),
      ("RESCAN_MS", "99"),
      ("IMAGE_EXTENSIONS", ", ."), ("IMAGE_EXTENSIONS", "j/pg"), ("IMAGE_EXTENSIONS", "jpg*x"),
      ("IMAGE_EXTENSIONS", "jpe?g"),
      ("IMAGE_EXTENSIONS", "image/jpeg"), ("IMAGE_EXTENSIONS", "[\"jpg\"]"), ("IMAGE_EXTENSIONS", "*.{jpg,png}"),
      ("IMAGE_EXTENSIONS", "jpg|png"), ("IMAGE_EXTENSIONS", "nef.xmp"), ("IMAGE_EXTENSIONS", "jpg,tmp"),
      ("IMAGES_DIR", "~/Pictures"), ("IMAGES_DIR", "$HOME/Pictures"), ("IMAGES_DIR", "${HOME}"), ("STATE_DIR", "~"),
      ("SENT_DIR", "file:///sent"), ("PROCESSED_IMAGES_DIR", "s3://B"), ("PROCESSED_IMAGES_DIR", "http://bucket"),
      ("PROCESSED_IMAGES_DIR", "C:\\images"),
      ("CSV_PATH", "rows/"), ("CSV_PATH", "d:/rows.csv"), ("HTTP_PORT", ":8080"), ("AFTER_SENT", "burn"),
      ("RECEIPTS_NEEDED", "-1"), ("RECEIPTS_NEEDED", "33"), ("RECEIPTS_NEEDED", "all"),
      ("SEGMENT_BYTES", "999"), ("IN_FLIGHT_BYTES", "0"),
      ("BATCH_IMAGES", "0"), ("BATCH_BYTES", "0"), ("SEGMENT_TIMEOUT", "0"), ("RECEIPTS", "2"), ("LOG_LEVEL", "loud"),
      ("LOG_FORMAT", "xml"), ("PROGRESS_SECONDS", "-1"), ("TOPIC_REPLICATION_FACTOR", "0"),
      ("TOPIC_REPLICATION_FACTOR", "-2"), ("TOPIC_REPLICATION_FACTOR", "three"), ("TOPIC_RETENTION_MS", "0"),
      ("TOPIC_RETENTION_MS", "-2"), ("TOPIC_RETENTION_MS", "a week"), ("TOPIC_RETENTION_BYTES", "0"),
      ("TOPIC_RETENTION_BYTES", "1G"), ("PROGRESS_SECONDS", "500ms"), ("BATCH_IMAGES", "1kB"),
      ("TOPIC_RETENTION_BYTES", "99999999999999999999"), ("PAGE_PORT", "0"), ("PAGE_PORT", "65536"),
      ("PAGE_HOSTS", "http://pictures.example"), ("PAGE_HOSTS", "pictures.example:8080"), ("PAGE_HOSTS", "*"),
      ("PAGE_SIDES", "http://consumer"), ("PAGE_SIDES", "consumer:0"), ("PAGE_SIDES", "consumer:x"),
      ("PAGE_SIDES", ":8080"), ("PAGE_SIDES", "user@consumer"),
    ])
  func unusableValueIsExplained(name: String, value: String) throws {
    let found = environmentProblems([name: value])
    #expect(found.count == 1)
    let problem = try #require(found.first)
    #expect(problem.hasPrefix("\(name)=\(value) cannot be used: "))
    #expect(
      problem.contains("use ") || problem.contains("name ") || problem.contains("write ") || problem.contains("remove ")
    )
  }

  @Test("a listening address with a port is refused", arguments: ["0.0.0.0:8080", "http://localhost", "a b", "::1]"])
  func addressHasNoPort(value: String) {
    #expect(
      environmentProblems(["HTTP_ADDRESS": value, "HTTP_PORT": "8080"]).first?.hasPrefix(
        "HTTP_ADDRESS=\(value) cannot be used")
        == true)
  }

  @Test(
    "listening addresses are read in their usual spellings",
    arguments: [("*", "0.0.0.0"), ("[::1]", "::1"), ("::", "::"), ("localhost", "localhost")])
  func addressesAreRead(value: String, address: String) throws {
    #expect(try EnvironmentReader.read(["HTTP_ADDRESS": value, "HTTP_PORT": "1"]).http?.address == address)
  }

  @Test("white space, line ends, a byte-order mark and quotes around a value are removed")
  func surroundingsAreRemoved() throws {
    let plain = [
      "TOPIC": "t", "CONSUMER_GROUP": "g", "IMAGES_DIR": "/in", "IMAGE_EXTENSIONS": "jpg,png", "IMAGE_EXCLUDE": "raw/",
      "SETTLE_MS": "5", "RESCAN_MS": "200", "AFTER_SENT": "move", "SENT_DIR": "/sent", "STATE_DIR": "/state",
      "SEGMENT_BYTES": "1000", "WIRE_FORMAT": "binary", "IN_FLIGHT_BYTES": "2000000", "PROCESSED_IMAGES_DIR": "/out",
      "CSV_PATH": "/rows.csv", "BATCH_IMAGES": "7", "BATCH_BYTES": "8", "SEGMENT_TIMEOUT": "9", "HTTP_PORT": "8080",
      "HTTP_ADDRESS": "127.0.0.1", "LOG_LEVEL": "debug", "LOG_FORMAT": "json", "PROGRESS_SECONDS": "3",
      "TOPIC_PARTITIONS": "4", "TOPIC_REPLICATION_FACTOR": "2", "TOPIC_RETENTION_MS": "10",
      "TOPIC_RETENTION_BYTES": "11",
      "KAFKA_BOOTSTRAP_SERVERS": "b:9092", "KAFKA_COMPRESSION_TYPE": "zstd", "KAFKA_LINGER_MS": "6",
      "KAFKA_BATCH_SIZE": "12345", "NAME_PREFIX": "camera-1/", "RECEIPTS_NEEDED": "2", "SAME_NAME": "keep-both",
      "RECEIPTS": "off", "PAGE_PORT": "81", "PAGE_HOSTS": "pictures.example", "PAGE_SIDES": "consumer:8081",
      "PAGE_IMAGES_DIR": "/camera",
      "PAGE_TOKEN": "0123456789abcdef", "S3_ENDPOINT": "http://store:8333", "S3_ADDRESSING": "virtual",
      "S3_CA": "/ca.pem", "AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
      "AWS_SESSION_TOKEN": "t", "AWS_SHARED_CREDENTIALS_FILE": "/keys", "AWS_PROFILE": "p",
    ]
    #expect(Set(plain.keys) == Set(Variable.all.keys), "each variable is tried")
    let expected = "\(try EnvironmentReader.read(plain))"
    for (before, after) in [("", "\r"), (" \t", " \r\n"), ("\"", "\""), (" '", "' "), ("\u{FEFF}", "\u{A0}")] {
      let read = try EnvironmentReader.read(plain.mapValues { before + $0 + after })
      // Dictionaries are unordered, so the library's settings are compared separately.
      #expect(read.producer.kafka.values == (try EnvironmentReader.read(plain)).producer.kafka.values)
      #expect(shape(of: read) == shape(of: try EnvironmentReader.read(plain)))
    }
    #expect(!expected.isEmpty)
    #expect(try EnvironmentReader.read(plain.mapValues { _ in " \r\n" }).producer.topic == "custom-image-topic")
  }

  private func shape(of configuration: Configuration) -> String {
    var configuration = configuration
    configuration.producer.kafka = KafkaSettings()
    configuration.consumer.kafka = KafkaSettings()
    return "\(configuration)"
  }

  @Test(
    "extensions are read in their usual spellings",
    arguments: [
      "jpg,png", "\"jpg,png\"", "*.jpg,*.png", "*.jpg, .png", "jpg;png", "jpg png", "jpg\r\npng\r\n", "'*.jpg' '*.png'",
      " .jpg\t;; png ,",
    ])
  func extensionsAreRead(text: String) throws {
    #expect(try EnvironmentReader.read(["IMAGE_EXTENSIONS": text]).producer.extensions == ["jpg", "png"])
  }

  @Test("* means every file, also as Windows writes it", arguments: ["*", "*.*", "jpg,*"])
  func starMeansEveryFile(text: String) throws {
    #expect(try EnvironmentReader.read(["IMAGE_EXTENSIONS": text]).producer.filter.accepts("anything"))
  }

  @Test(
    "numbers are read with separators and units",
    arguments: [
      ("SETTLE_MS", "1_000", 1_000), ("SETTLE_MS", "1s", 1_000), ("SETTLE_MS", "2 min", 120_000),
      ("SETTLE_MS", "5MS", 5),
      ("BATCH_BYTES", "16MiB", 16 << 20), ("BATCH_BYTES", "2 mb", 2_000_000), ("BATCH_BYTES", "16_000_000", 16_000_000),
      ("SEGMENT_TIMEOUT", "1h", 3_600_000), ("SEGMENT_TIMEOUT", "90 seconds", 90_000),
      ("TOPIC_RETENTION_MS", "7 days", 604_800_000),
      ("TOPIC_RETENTION_BYTES", "1GB", 1_000_000_000), ("PROGRESS_SECONDS", "2m", 120_000),
    ])
  func numbersAreReadWithUnits(name: String, text: String, value: Int) throws {
    let read = try EnvironmentReader.read([name: text])
    let found: [String: Int?] = [
      "SETTLE_MS": read.producer.settling.inMilliseconds, "BATCH_BYTES": read.consumer.batchBytes,
      "SEGMENT_TIMEOUT": read.consumer.segmentTimeout.inMilliseconds,
      "TOPIC_RETENTION_MS": read.producer.newTopic.retentionMilliseconds,
      "TOPIC_RETENTION_BYTES": read.producer.newTopic.retentionBytes,
      "PROGRESS_SECONDS": read.progressInterval.inMilliseconds,
    ]
    #expect(found[name] == value)
  }

  @Test("a slash at the end of a folder is ignored")
  func trailingSlashIsIgnored() throws {
    let read = try EnvironmentReader.read([
      "IMAGES_DIR": "/in//", "PROCESSED_IMAGES_DIR": "out/", "STATE_DIR": "/", "SENT_DIR": "/sent/",
    ])
    #expect(read.producer.input == "/in" && read.consumer.outputPath == "out")
    #expect(read.producer.stateFolder == "/" && read.producer.sentFolder == "/sent")
  }

  @Test("the fix for ~ names the user's folder") func tildeFixNamesTheFolder() {
    #expect(
      environmentProblems(["IMAGES_DIR": "~/Pictures", "HOME": "/home/me"]).first?.contains(" /home/me/Pictures")
        == true)
  }

  @Test("IMAGE_EXCLUDE is a list of patterns")
  func imageExcludeIsAListOfPatterns() throws {
    let read = try EnvironmentReader.read(["IMAGE_EXCLUDE": " raw/ , *_small.jpg,\n'a b',x\\,y, "])
    #expect(read.producer.excluded == (try ["raw/", "*_small.jpg", "a b", "x\\,y"].map { try PathPattern($0) }))
    #expect(try EnvironmentReader.read([:]).producer.excluded == [])
  }

  @Test(
    "a meaningless pattern is refused",
    arguments: [
      "*", "**/*", "../a", "raw\\old", "*.{jpg", "a;b", "[ab", "!keep.jpg", "/in/raw", "a\\",
    ])
  func meaninglessPatternIsRefused(pattern: String) {
    let found = environmentProblems(["IMAGE_EXCLUDE": "fine," + pattern, "IMAGES_DIR": "/in"])
    #expect(found.count == 1 && found.first?.hasPrefix("IMAGE_EXCLUDE=\(pattern) cannot be used: ") == true, "\(found)")
  }

  @Test("librdkafka's debug lines need the log level, which is logged")
  func debugLinesNeedTheLogLevel() throws {
    #expect(try EnvironmentReader.read(["KAFKA_DEBUG": "true"]).warnings.count == 1)
    #expect(try EnvironmentReader.read(["KAFKA_DEBUG": "true", "LOG_LEVEL": "debug"]).warnings == [])
    #expect(try EnvironmentReader.read(["KAFKA_DEBUG": "false"]).warnings == [])
  }

  @Test("all problems are reported together") func allProblemsAreReported() {
    let found = environmentProblems([
      "TOPIC": "a b", "BATCH_IMAGES": "x", "LOG_LEVEL": "loud", "KAFKA_ACKS": "1", "KAFKA_LINGER_MS": "soon",
    ])
    #expect(found.count == 5)
    for name in ["TOPIC", "BATCH_IMAGES", "LOG_LEVEL", "KAFKA_ACKS", "KAFKA_LINGER_MS"] {
      #expect(found.contains { $0.hasPrefix(name + "=") }, "\(name)")
    }
    #expect("\(ConfigurationError(problems: found))".split(separator: "\n").count == 5)
  }

  @Test("NAME_PREFIX is the beginning of a name that can be stored")
  func namePrefixIsAStorableName() throws {
    #expect(try EnvironmentReader.read([:]).producer.namePrefix == "")
    for prefix in ["camera-1/", "a/b/", "left_", ".x/"] {
      #expect(try EnvironmentReader.read(["NAME_PREFIX": prefix]).producer.namePrefix == prefix)
    }
    for prefix in ["/camera", "../", "a//", "./", "a/../b/", ".image-pipeline/", String(repeating: "a", count: 255)] {
      #expect(environmentProblems(["NAME_PREFIX": prefix]).count == 1, "\(prefix)")
    }
  }

  @Test("SAME_NAME is replace or keep-both")
  func sameNameHasTwoValues() throws {
    #expect(try EnvironmentReader.read([:]).consumer.sameName == .replace)
    #expect(try EnvironmentReader.read(["SAME_NAME": "Keep-Both"]).consumer.sameName == .keepBoth)
    #expect(environmentProblems(["SAME_NAME": "both"]).count == 1)
  }
}
