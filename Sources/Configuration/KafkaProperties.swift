import Kafka
import Platform

/// librdkafka's properties from the environment: `KAFKA_A_B` sets `a.b`, as in the Confluent images.
struct KafkaProperties {
  private(set) var producer = KafkaSettings()
  private(set) var consumer = KafkaSettings()
  private(set) var problems: [String] = []
  private(set) var warnings: [String] = []
  /// The files that values were read from, by property.
  private var files: [String: String] = [:]

  /// Defaults of both clients.
  private static let defaults = [
    ("client.id", "image-pipeline"), ("socket.keepalive.enable", "true"),
    // The longest time until a client learns of a topic's new partitions.
    ("topic.metadata.refresh.interval.ms", "30000"),
    // A topic is created explicitly, with the configured partitions, and never just because a client names it.
    ("allow.auto.create.topics", "false"),
  ]
  private static let producerDefaults = [
    ("enable.idempotence", "true"), ("acks", "all"),
    // An outage of the broker for a day must not turn images into failures.
    ("message.timeout.ms", "0"),
    ("queue.buffering.max.kbytes", "65536"), ("queue.buffering.max.messages", "100000"),
  ]
  private static let consumerDefaults = [
    ("check.crcs", "true"), ("session.timeout.ms", "10000"), ("queued.max.messages.kbytes", "6144"),
    // Data that the broker sends together is decompressed together, however large it becomes. Single-colour images that
    // are compressed with snappy become twenty times as large. A batch larger than this limit still arrives, alone.
    ("fetch.message.max.bytes", "131072"),
  ]
  /// The default of `fetch.max.bytes`, the limit for all partitions together.
  private static let fetchBytes = 1_000_000

  /// Properties that exactly-once depends on: the values that may be set, and the fix for any other value.
  private static let guarded: [String: (allowed: [String], cure: String)] = [
    "enable.auto.commit": (["false"], "leave it unset: a position is committed when its images are durable"),
    "enable.auto.offset.store": (["false"], "leave it unset: a position is stored when its images are durable"),
    "auto.offset.reset": (["error"], "leave it unset: positions come from the output's catalog"),
    "enable.partition.eof": (["true"], "leave it unset: it is needed to detect the end of a partition"),
    "enable.idempotence": (["true"], "leave it unset: without it a retry duplicates or reorders messages"),
    "acks": (["all", "-1"], "leave it unset: fewer acknowledgements lose images when a broker fails"),
    "request.required.acks": (["all", "-1"], "leave it unset: fewer acknowledgements lose images when a broker fails"),
    "group.id": ([], "set CONSUMER_GROUP instead"),
    "group.instance.id": ([], "leave it unset: it consists of the output's identity and the consumer's slot"),
    "partition.assignment.strategy": (
      ["range", "roundrobin", "range,roundrobin", "roundrobin,range"],
      "leave it unset: cooperative assignment loses partitions in librdkafka before 2.10"
    ),
  ]

  /// Aliases of properties that have a default here. If a property were set under both names, the alphabetically last
  /// one would win, which may be the default.
  private static let aliases = [
    "metadata.broker.list": "bootstrap.servers", "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms", "delivery.timeout.ms": "message.timeout.ms",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
  ]

  /// The variable that set the servers last.
  private var servers = "KAFKA_BOOTSTRAP_SERVERS"

  init(_ everything: [String: String]) {
    let environment = Self.cleaned(everything)
    for (property, value) in Self.defaults {
      producer.setDefault(property, value)
      consumer.setDefault(property, value)
    }
    for (property, value) in Self.producerDefaults { producer.setDefault(property, value) }
    for (property, value) in Self.consumerDefaults { consumer.setDefault(property, value) }
    for name in ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_COMPRESSION_TYPE", "KAFKA_LINGER_MS", "KAFKA_BATCH_SIZE"]
    where environment[name, default: ""].isEmpty && environment[name + "_FILE", default: ""].isEmpty {
      apply(name, Self.property(name.dropFirst("KAFKA_".count)), Variable.all[name]!.defaultValue)
    }
    for (name, value) in environment.sorted(by: { $0.key < $1.key }) where !value.isEmpty { read(name, value) }
    checkServers()
    checkMechanism()
    // librdkafka requires that this is at least the largest message.
    let largest = Int(consumer.values["message.max.bytes"] ?? "") ?? 0
    consumer.setDefault("fetch.max.bytes", String(max(Self.fetchBytes, largest)))
    guard !files.isEmpty else { return }
    let reread: @Sendable (String) -> String? = { [files] property in
      files[property].flatMap { try? SmallFile.text(of: $0) }.map { Self.content(of: property, $0) }
    }
    producer.reread = reread
    consumer.reread = reread
  }

  /// The variables that set properties, without white space and quotes around their values.
  private static func cleaned(_ environment: [String: String]) -> [String: String] {
    var cleaned: [String: String] = [:]
    for (name, value) in environment where name.hasPrefix("KAFKA_") && name.utf8.count > "KAFKA_".utf8.count {
      let isPath = name.hasSuffix("_FILE")
      cleaned[name] =
        isPath ? SettingText.unquoted(value) : content(of: property(name.dropFirst("KAFKA_".count)), value)
    }
    return cleaned
  }

  private static func content(of property: String, _ text: String) -> String {
    // Keys and certificates in PEM mark their own beginning and end.
    isSecret(property) && !property.hasSuffix(".pem") ? SettingText.secret(text) : SettingText.unquoted(text)
  }

  private mutating func checkServers() {
    guard let list = producer.values["bootstrap.servers"] else { return }
    let securityProtocol = (producer.values["security.protocol"] ?? "plaintext").lowercased()
    guard let fix = ServerList.fix(list, securityProtocol: securityProtocol) else { return }
    problems.append("\(servers)=\(list) cannot be used: \(fix)")
  }

  /// Requires a SASL mechanism. Without one, librdkafka uses Kerberos, and its error is about a keytab.
  private mutating func checkMechanism() {
    let name = "KAFKA_SECURITY_PROTOCOL"
    guard let value = producer.values["security.protocol"], value.lowercased().hasPrefix("sasl_"),
      !producer.values.keys.contains(where: { $0.hasPrefix("sasl.mechanism") || $0.hasPrefix("sasl.kerberos.") })
    else { return }
    problems.append(
      "\(name)=\(value) cannot be used: set KAFKA_SASL_MECHANISM, too (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI)"
    )
  }

  private mutating func read(_ name: String, _ value: String) {
    let property = Self.property(name.dropFirst("KAFKA_".count))
    // A secret in a file: `KAFKA_SASL_PASSWORD_FILE` is the path of a file with the value of `KAFKA_SASL_PASSWORD`.
    if name.hasSuffix("_FILE") {
      let direct = Self.property(name.dropFirst("KAFKA_".count).dropLast("_FILE".count))
      if KafkaSettings.check(direct, "") != .unknown {
        do {
          apply(name, direct, Self.content(of: direct, try SmallFile.text(of: value)))
          files[direct] = value
        } catch {
          problems.append("\(name)=\(value) cannot be used: \(error)")
        }
        return
      }
    }
    apply(name, property, value)
  }

  private mutating func apply(_ name: String, _ property: String, _ given: String) {
    if let rule = Self.guarded[property] {
      guard rule.allowed.contains(given.lowercased()) else {
        problems.append("\(name)=\(given) cannot be used: \(rule.cure)")
        return
      }
      // Only one of them has a choice. The others have an allowed value anyhow, by default or because the program sets it.
      if property == "partition.assignment.strategy" { consumer.set(property, given.lowercased()) }
      return
    }
    if Self.isSecret(property), SettingText.unquoted(given) != given {
      warnings.append(
        "\(name) begins or ends with white space or quotes, which are part of the secret; remove them if they are not")
    }
    let property = Self.aliases[property] ?? property
    let shown = Self.isSecret(property) ? "..." : given
    let value: String
    switch KafkaValue.read(property, given) {
    case .value(let read): value = read
    case .nothing: return
    case .wrong(let fix):
      problems.append("\(name)=\(shown) cannot be used: \(fix)")
      return
    }
    switch KafkaSettings.check(property, value) {
    case .known:
      if property == "bootstrap.servers" { servers = name }
      producer.set(property, value)
      consumer.set(property, value)
    case .unknown:
      warnings.append("\(name) is ignored: librdkafka has no property \(property)")
    case .invalid(let reason):
      problems.append("\(name)=\(shown) cannot be used: \(reason)")
    }
  }

  /// The property of a variable: `SSL_CA_LOCATION` → `ssl.ca.location`. Two underscores become one, three a dash.
  private static func property(_ name: Substring) -> String {
    var result: [UInt8] = []
    var underscores = 0
    func separator(_ count: Int) -> [UInt8] {
      switch count {
      case 0: []
      case 1: [UInt8(ascii: ".")]
      case 2: [UInt8(ascii: "_")]
      default: [UInt8(ascii: "-")]
      }
    }
    for byte in name.lowercased().utf8 {
      if byte == UInt8(ascii: "_") {
        underscores += 1
        continue
      }
      result += separator(underscores)
      underscores = 0
      result.append(byte)
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Whether a property is a secret. Errors do not repeat a secret, and white space and quotes around it may be part of
  /// it. The path of a secret is not a secret.
  private static func isSecret(_ property: String) -> Bool {
    let marks = ["password", "secret", "pem", "key", "jaas", "oauthbearer.config"]
    return marks.contains(where: property.contains) && !property.hasSuffix(".location")
      && !property.hasSuffix(".keytab")
  }
}
