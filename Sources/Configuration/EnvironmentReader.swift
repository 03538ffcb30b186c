import Kafka
import Platform
import Telemetry
import Wire

/// Reads and checks the configuration from environment variables.
package struct EnvironmentReader {
  private let environment: [String: String]
  private var problems: [String] = []

  package static func read(_ environment: [String: String]) throws(ConfigurationError) -> Configuration {
    var reader = EnvironmentReader(environment: environment)
    let configuration = reader.configuration()
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
    return configuration
  }

  private init(environment: [String: String]) {
    // Values of librdkafka's properties may be secrets. `KafkaProperties` knows which, and cleans them itself.
    self.environment = environment.reduce(into: [:]) { cleaned, variable in
      let (name, value) = variable
      cleaned[name] = name.hasPrefix("KAFKA_") ? value : SettingText.unquoted(value)
    }
  }

  private mutating func configuration() -> Configuration {
    let properties = KafkaProperties(environment)
    problems += properties.problems
    let topic = text("TOPIC")
    if !Self.isTopic(topic) {
      problem("TOPIC", topic, "use 1 to 249 letters, digits, dots, underscores and dashes")
    }
    let inputBucket = bucket("IMAGES_DIR")
    var producer = ProducerSettings(
      input: place("IMAGES_DIR", inputBucket), topic: topic, stateFolder: path("STATE_DIR"), kafka: properties.producer)
    producer.inputBucket = inputBucket
    producer.newTopic = newTopic()
    producer.extensions = extensions()
    producer.excluded = excluded(below: producer.input)
    producer.namePrefix = namePrefix()
    producer.settling = .milliseconds(number("SETTLE_MS", .milliseconds, in: 0...3_600_000))
    producer.rescan = .milliseconds(number("RESCAN_MS", .milliseconds, in: 100...86_400_000))
    producer.afterSent = choice("AFTER_SENT", AfterSentAction.allCases.map { ($0.rawValue, $0) }) ?? .keep
    producer.sentFolder = isSet("SENT_DIR") ? path("SENT_DIR") : producer.input + "/.sent"
    producer.receiptsNeeded = number("RECEIPTS_NEEDED", in: 0...32)
    producer.segmentBytes = number("SEGMENT_BYTES", .bytes, in: 1_000...700_000_000)
    producer.inFlightBytes = number("IN_FLIGHT_BYTES", .bytes, in: 1_000_000...16_000_000_000)
    producer.format = choice("WIRE_FORMAT", WireFormat.allCases.map { ($0.rawValue, $0) }) ?? .base64
    checkSegments(producer, properties.producer)

    let bucket = bucket("PROCESSED_IMAGES_DIR")
    var consumer = ConsumerSettings(
      topic: topic, outputPath: place("PROCESSED_IMAGES_DIR", bucket), csvPath: csvPath(), kafka: properties.consumer)
    consumer.bucket = bucket
    consumer.newTopic = producer.newTopic
    consumer.kafka.set("group.id", text("CONSUMER_GROUP"))
    consumer.sameName = choice("SAME_NAME", SameName.allCases.map { ($0.rawValue, $0) }) ?? .replace
    consumer.batchImages = number("BATCH_IMAGES", in: 1...100_000)
    consumer.batchBytes = number("BATCH_BYTES", .bytes, in: 1...16_000_000_000)
    consumer.segmentTimeout = .seconds(number("SEGMENT_TIMEOUT", .seconds, in: 1...31_536_000))
    consumer.receipts = choice("RECEIPTS", [("on", true), ("off", false)]) ?? true

    let level = choice("LOG_LEVEL", LogLevel.allCases.map { ($0.name, $0) } + [("warn", .warning)])
    let format = choice("LOG_FORMAT", LogFormat.allCases.map { ($0.rawValue, $0) })
    let port = number("HTTP_PORT", in: 0...65_535)
    if port != 0 { checkAddress() }
    let others = problems
    problems = []
    let page = page(producer, consumer)
    let pageProblems = problems
    problems = others
    return Configuration(
      producer: producer, consumer: consumer,
      http: port == 0 ? nil : HTTPSettings(address: address, port: port), page: page, pageProblems: pageProblems,
      logLevel: level ?? .info,
      logFormat: format ?? .text,
      progressInterval: .seconds(number("PROGRESS_SECONDS", .seconds, in: 0...86_400)),
      warnings: properties.warnings + unheard(properties.producer, level ?? .info), hasOwnCSVPath: isSet("CSV_PATH"))
  }

  private mutating func page(_ producer: ProducerSettings, _ consumer: ConsumerSettings) -> PageSettings {
    let hosts = text("PAGE_HOSTS").split { $0 == "," || $0.isWhitespace }.map { String($0) }
    for host in hosts where host.contains(where: { "/*@".contains($0) }) || PageSettings.hasPort(host) {
      problem("PAGE_HOSTS", host, "use a host's name as browsers show it, without scheme and port")
    }
    var sides: [TCPProbe.Address] = []
    for side in text("PAGE_SIDES").split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let isHost = side.utf8.allSatisfy {
        PageSettings.isLetterOrDigit($0) || "-._:[]%".utf8.contains($0)
      }
      let fix = isHost ? ServerList.fix(address: side) : "write each side as host or host:port"
      let address = TCPProbe.Address(side, defaultPort: PageSettings.sidePort)
      if let address, fix == nil {
        if !sides.contains(address) { sides.append(address) }
      } else {
        problem("PAGE_SIDES", String(side), fix ?? "write each side as host or host:port")
      }
    }
    return PageSettings(
      // Pictures are for this machine unless somebody decides otherwise.
      address: isSet("HTTP_ADDRESS") ? address : "127.0.0.1", port: number("PAGE_PORT", in: 1...65_535), hosts: hosts,
      sides: sides, output: consumer.outputPath,
      input: isSet("PAGE_IMAGES_DIR") ? text("PAGE_IMAGES_DIR") : producer.input, token: pageToken())
  }

  /// Problems do not repeat the token.
  private mutating func pageToken() -> PageToken? {
    var (name, text) = ("PAGE_TOKEN", text("PAGE_TOKEN"))
    if let path = environment["PAGE_TOKEN_FILE"], !path.isEmpty {
      name = "PAGE_TOKEN_FILE"
      do { text = SettingText.unquoted(try SmallFile.text(of: path)) } catch {
        problems.append("\(name)=\(path) cannot be used: \(error)")
        return nil
      }
    } else if text.isEmpty {
      return nil
    }
    guard let token = PageToken(text) else {
      problems.append(
        "\(name) cannot be used: use \(PageToken.shortest) or more letters, digits and signs, without spaces")
      return nil
    }
    return token
  }

  private mutating func namePrefix() -> String {
    let prefix = text("NAME_PREFIX")
    do { _ = try ImageName(prefix + "x") } catch {
      problem("NAME_PREFIX", prefix, "use the beginning of a path, such as camera-1/ (with it, \(error))")
    }
    return prefix
  }

  private mutating func newTopic() -> NewTopic {
    var topic = NewTopic()
    topic.partitions = Int32(positive("TOPIC_PARTITIONS", atMost: 10_000, orElse: "-1 for the broker's default") ?? -1)
    topic.replicationFactor = Int32(
      positive("TOPIC_REPLICATION_FACTOR", atMost: 1_000, orElse: "-1 for the broker's default") ?? -1)
    topic.retentionMilliseconds = positive("TOPIC_RETENTION_MS", .milliseconds, atMost: .max, orElse: "-1 for ever")
    topic.retentionBytes = positive("TOPIC_RETENTION_BYTES", .bytes, atMost: .max, orElse: "-1 for no limit")
    return topic
  }

  // MARK: Values

  /// The value of a variable, or its default. An empty variable counts as unset: compose files write `NAME=` for that.
  func text(_ name: String) -> String {
    let value = environment[name] ?? ""
    return value.isEmpty ? Variable.all[name]!.defaultValue : value
  }

  func isSet(_ name: String) -> Bool { !(environment[name] ?? "").isEmpty }

  private mutating func number(_ name: String, _ unit: NumberSetting.Unit = .none, in range: ClosedRange<Int>) -> Int {
    guard let number = NumberSetting.parse(text(name), unit), range.contains(number) else {
      problem(
        name, text(name), "use a whole number from \(range.lowerBound) to \(range.upperBound)\(unit.examples)")
      return Int(Variable.all[name]!.defaultValue)!
    }
    return number
  }

  /// A number above 0, or -1; nil if the variable is unset or wrong.
  private mutating func positive(
    _ name: String, _ unit: NumberSetting.Unit = .none, atMost limit: Int, orElse: String
  ) -> Int? {
    let value = text(name)
    if value.isEmpty { return nil }
    if let number = NumberSetting.parse(value, unit), number == -1 || (1...limit).contains(number) { return number }
    let range = limit == .max ? "of 1 or more" : "from 1 to \(limit)"
    problem(name, value, "use a whole number \(range)\(unit.examples), or \(orElse)")
    return nil
  }

  mutating func choice<T>(_ name: String, _ choices: [(String, T)]) -> T? {
    let value = text(name).lowercased()
    if let choice = choices.first(where: { $0.0 == value }) { return choice.1 }
    problem(name, text(name), "use \(choices.map(\.0).joined(separator: ", "))")
    return nil
  }

  mutating func path(_ name: String) -> String {
    let value = text(name)
    if let fix = PathSetting.fix(value, home: environment["HOME"]) { problem(name, value, fix) }
    return PathSetting.trimmed(value)
  }

  /// A folder's path, or a bucket's address.
  private mutating func place(_ name: String, _ bucket: BucketSettings?) -> String {
    // Problems of a bucket have been reported.
    return bucket?.address.description ?? (text(name).hasPrefix(BucketAddress.scheme) ? text(name) : path(name))
  }

  private mutating func csvPath() -> String {
    let path = path("CSV_PATH")
    if text("CSV_PATH").utf8.last == UInt8(ascii: "/") {
      problem(
        "CSV_PATH", text("CSV_PATH"),
        "it names a folder; use a file in it, as in \(path)/\(Variable.all["CSV_PATH"]!.defaultValue)")
    }
    return path
  }

  private mutating func extensions() -> [String] {
    do throws(ExtensionList.Fault) { return try ExtensionList.parse(text("IMAGE_EXTENSIONS")) } catch {
      problem("IMAGE_EXTENSIONS", text("IMAGE_EXTENSIONS"), error.fix)
      return []
    }
  }

  private mutating func excluded(below input: String) -> [PathPattern] {
    do throws(PatternList.Fault) { return try PatternList.parse(text("IMAGE_EXCLUDE"), input: input) } catch {
      problem("IMAGE_EXCLUDE", error.pattern, error.fix)
      return []
    }
  }

  /// The address to listen on, without a port.
  private var address: String {
    let value = text("HTTP_ADDRESS")
    if value == "*" { return Variable.all["HTTP_ADDRESS"]!.defaultValue }
    if value.hasPrefix("["), value.hasSuffix("]") { return String(value.dropFirst().dropLast()) }
    return value
  }

  private mutating func checkAddress() {
    let value = address
    let colons = value.count { $0 == ":" }
    if colons == 1 || value.contains(where: { $0.isWhitespace || "/[],;".contains($0) }) {
      problem("HTTP_ADDRESS", value, "use a single address such as 127.0.0.1; HTTP_PORT is the port")
    }
  }

  /// A warning if librdkafka's debug lines would not be shown. They are logged at our own debug level.
  private func unheard(_ kafka: KafkaSettings, _ level: LogLevel) -> [String] {
    guard kafka.values["debug"].map({ !$0.isEmpty }) ?? false, level > .debug else { return [] }
    return ["KAFKA_DEBUG shows nothing at LOG_LEVEL=\(level.name): set LOG_LEVEL=debug, too"]
  }

  mutating func problem(_ name: String, _ value: String, _ fix: String) {
    problem("\(name)=\(value) cannot be used: \(fix)")
  }

  mutating func problem(_ text: String) { problems.append(text) }

  var problemCount: Int { problems.count }

  /// A variable that may have no default; nil if it is unset or empty.
  func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

  private static func isTopic(_ name: String) -> Bool {
    (1...249).contains(name.utf8.count) && name != "." && name != ".."
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// Checks that the largest message fits into the client's limit. A message contains the segment (usually in Base64),
  /// its name twice (once escaped), and the headers.
  private mutating func checkSegments(_ producer: ProducerSettings, _ kafka: KafkaSettings) {
    let (bytes, format) = (producer.segmentBytes, producer.format)
    let limit = kafka.values["message.max.bytes"].flatMap(Int.init) ?? 1_000_000
    let most = format.contentCount(fitting: limit - WireFormat.besideContent)
    guard bytes > most else { return }
    if most < 1_000 {
      problem("KAFKA_MESSAGE_MAX_BYTES", String(limit), "use 50000 or more, or leave it unset for 1000000")
    } else {
      problem(
        "SEGMENT_BYTES", String(bytes),
        "with KAFKA_MESSAGE_MAX_BYTES=\(limit) use \(most) or less: "
          + (format == .base64
            ? "Base64 adds a third, and name and headers are added" : "name and headers are added"))
    }
  }
}
