import TestSupport
import Testing

@testable import Configuration

@Suite struct KafkaPropertiesTests {
  private func producer(_ environment: [String: String], _ property: String) -> String? {
    KafkaProperties(environment).producer.values[property]
  }

  @Test("the defaults are as documented") func defaultsAreAsDocumented() {
    let properties = KafkaProperties([:])
    #expect(properties.problems == [] && properties.warnings == [])
    for (property, value) in [
      ("bootstrap.servers", "localhost:9092"), ("compression.type", "snappy"), ("linger.ms", "500"),
      ("batch.size", "1000000"), ("enable.idempotence", "true"), ("acks", "all"), ("message.timeout.ms", "0"),
      ("allow.auto.create.topics", "false"),
    ] {
      #expect(properties.producer.values[property] == value, "\(property)")
    }
    #expect(properties.consumer.values["bootstrap.servers"] == "localhost:9092")
    #expect(properties.consumer.values["check.crcs"] == "true")
    #expect(properties.consumer.values["session.timeout.ms"] == "10000")
  }

  @Test(
    "a variable sets the property of its name",
    arguments: [
      ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2", "bootstrap.servers"),
      ("KAFKA_SSL_CA_LOCATION", "/ca.pem", "ssl.ca.location"),
      ("KAFKA_LINGER_MS", "50", "linger.ms"), ("KAFKA_CLIENT_ID", "me", "client.id"),
      ("KAFKA_SASL_USERNAME", "images", "sasl.username"), ("KAFKA_SESSION_TIMEOUT_MS", "20000", "session.timeout.ms"),
      ("KAFKA_DEBUG", "broker", "debug"),
    ])
  func variableSetsProperty(name: String, value: String, property: String) {
    let properties = KafkaProperties([name: value])
    #expect(properties.problems == [] && properties.warnings == [])
    #expect(properties.producer.values[property] == value)
    #expect(properties.consumer.values[property] == value)
  }

  @Test(
    "an alias of a property is not overruled by our default",
    arguments: [
      ("KAFKA_DELIVERY_TIMEOUT_MS", "90000", "message.timeout.ms"),
      ("KAFKA_COMPRESSION_CODEC", "zstd", "compression.type"),
      ("KAFKA_METADATA_BROKER_LIST", "b:9092", "bootstrap.servers"),
      ("KAFKA_QUEUE_BUFFERING_MAX_MS", "70", "linger.ms"),
      ("KAFKA_MAX_PARTITION_FETCH_BYTES", "500000", "fetch.message.max.bytes"),
    ])
  func aliasBeatsOurDefault(name: String, value: String, property: String) {
    #expect(producer([name: value], property) == value)
  }

  @Test("a fetch is bounded, but never below one message") func fetchIsBounded() {
    func fetched(_ environment: [String: String]) -> String? {
      KafkaProperties(environment).consumer.values["fetch.max.bytes"]
    }
    #expect(fetched([:]) == "1000000")
    #expect(fetched(["KAFKA_MESSAGE_MAX_BYTES": "5000000"]) == "5000000")
    #expect(fetched(["KAFKA_MESSAGE_MAX_BYTES": "5000000", "KAFKA_FETCH_MAX_BYTES": "7000000"]) == "7000000")
    #expect(KafkaProperties([:]).consumer.values["fetch.message.max.bytes"] == "131072")
  }

  @Test("an unknown property is a warning that names the variable") func unknownPropertyIsAWarning() {
    // Variables of Confluent's images and Kubernetes' service links.
    for name in ["KAFKA_PORT", "KAFKA_OPTS", "KAFKA_SERVICE_HOST", "KAFKA_A__B___C", "KAFKA__"] {
      let properties = KafkaProperties([name: "tcp://10.0.0.1:9092"])
      #expect(properties.problems == [])
      #expect(properties.warnings.count == 1)
      #expect(properties.warnings.first?.hasPrefix(name + " is ignored") == true)
    }
    #expect(KafkaProperties(["KAFKA_": "x", "KAFKA": "x", "XKAFKA_PORT": "x", "kafka_port": "x"]).warnings == [])
  }

  @Test("a warning does not repeat the value") func warningHidesValue() {
    #expect(!KafkaProperties(["KAFKA_OPTS": "-Dpassword=geheim"]).warnings.joined().contains("geheim"))
  }

  @Test("a value that librdkafka refuses is an error with variable, value and reason") func refusedValueIsExplained() {
    let found = KafkaProperties(["KAFKA_LINGER_MS": "soon", "KAFKA_SECURITY_PROTOCOL": "carrier pigeon"]).problems
    #expect(found.count == 2)
    #expect(found.contains { $0.hasPrefix("KAFKA_LINGER_MS=soon cannot be used: ") && $0.contains("nvalid value") })
    #expect(found.contains { $0.hasPrefix("KAFKA_SECURITY_PROTOCOL=carrier pigeon cannot be used: ") })
  }

  @Test(
    "settings that exactly-once needs cannot be changed",
    arguments: [
      ("KAFKA_ENABLE_AUTO_COMMIT", "true"), ("KAFKA_ENABLE_AUTO_OFFSET_STORE", "true"),
      ("KAFKA_AUTO_OFFSET_RESET", "latest"), ("KAFKA_ENABLE_IDEMPOTENCE", "false"), ("KAFKA_ACKS", "1"),
      ("KAFKA_REQUEST_REQUIRED_ACKS", "0"), ("KAFKA_GROUP_ID", "g"), ("KAFKA_GROUP_INSTANCE_ID", "me"),
      ("KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "cooperative-sticky"), ("KAFKA_ENABLE_PARTITION_EOF", "false"),
    ])
  func exactlyOnceSettingsAreFixed(name: String, value: String) {
    let found = KafkaProperties([name: value]).problems
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("\(name)=\(value) cannot be used: ") == true)
  }

  @Test(
    "repeating a fixed setting is no error",
    arguments: [
      ("KAFKA_ENABLE_AUTO_COMMIT", "False"), ("KAFKA_ACKS", "all"), ("KAFKA_ACKS", "-1"),
      ("KAFKA_ENABLE_IDEMPOTENCE", "true"), ("KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "range"),
    ])
  func repeatingFixedSettingIsFine(name: String, value: String) {
    let properties = KafkaProperties([name: value])
    #expect(properties.problems == [] && properties.warnings == [])
    #expect(properties.producer.values["acks"] == "all")
    #expect(properties.consumer.values["acks"] == nil)
  }

  @Test("the consumer's assignment strategy can be chosen") func assignmentStrategy() {
    let properties = KafkaProperties(["KAFKA_PARTITION_ASSIGNMENT_STRATEGY": "RoundRobin"])
    #expect(properties.problems == [] && properties.warnings == [])
    #expect(properties.consumer.values["partition.assignment.strategy"] == "roundrobin")
    #expect(properties.producer.values["partition.assignment.strategy"] == nil)
  }

  @Test("a protocol with a password needs a mechanism, since librdkafka would use Kerberos")
  func passwordNeedsMechanism() {
    func problems(_ more: [String: String]) -> [String] {
      KafkaProperties(["KAFKA_SECURITY_PROTOCOL": "SASL_SSL"].merging(more) { $1 }).problems
    }
    #expect(problems([:]).first?.contains("KAFKA_SASL_MECHANISM") == true)
    for name in ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_MECHANISMS"] { #expect(problems([name: "PLAIN"]) == []) }
    #expect(problems(["KAFKA_SASL_KERBEROS_KEYTAB": "/keytab"]) == [])
  }

  // MARK: Secrets

  @Test("a secret may come from a file") func secretMayComeFromFile() throws {
    let scratch = TestFolder()
    for (text, secret) in [("geheim", "geheim"), ("geheim\n", "geheim"), ("\u{FEFF}ge heim\r\n\n", "ge heim")] {
      try scratch.write("secret", text)
      let properties = KafkaProperties(["KAFKA_SASL_PASSWORD_FILE": scratch / "secret"])
      #expect(properties.problems == [] && properties.warnings == [])
      #expect(properties.producer.values["sasl.password"] == secret)
      #expect(properties.consumer.values["sasl.password"] == secret)
    }
  }

  @Test(
    "white space and quotes around a secret are part of it, and a warning",
    arguments: [" geheim", "geheim ", "\"geheim\""])
  func secretKeepsSurroundings(secret: String) throws {
    let scratch = TestFolder()
    try scratch.write("secret", secret + "\r\n")
    for environment in [["KAFKA_SASL_PASSWORD": secret + "\r"], ["KAFKA_SASL_PASSWORD_FILE": scratch / "secret\r"]] {
      let properties = KafkaProperties(environment)
      #expect(properties.producer.values["sasl.password"] == secret)
      #expect(properties.warnings.count == 1 && !properties.warnings.joined().contains("geheim"))
    }
  }

  @Test("white space around a PEM key is removed")
  func pemKeyIsTrimmed() {
    let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    let properties = KafkaProperties(["KAFKA_SSL_KEY_PEM": "\n \(pem)\r\n"])
    #expect(properties.warnings == [] && properties.producer.values["ssl.key.pem"] == pem)
  }

  @Test(
    "values are read in their usual spellings",
    arguments: [
      ("KAFKA_BOOTSTRAP_SERVERS", " a:1 , b:2\r", "bootstrap.servers", "a:1,b:2"),
      ("KAFKA_BOOTSTRAP_SERVERS", "a:1;b:2", "bootstrap.servers", "a:1,b:2"),
      ("KAFKA_BOOTSTRAP_SERVERS", "a:1 b:2", "bootstrap.servers", "a:1,b:2"),
      ("KAFKA_METADATA_BROKER_LIST", "'a:1','b:2'", "bootstrap.servers", "a:1,b:2"),
      ("KAFKA_DEBUG", "true", "debug", "all"), ("KAFKA_DEBUG", "1", "debug", "all"),
      ("KAFKA_DEBUG", "Broker, topic", "debug", "broker,topic"),
      ("KAFKA_SECURITY_PROTOCOL", "SSL\r", "security.protocol", "SSL"),
      ("KAFKA_COMPRESSION_TYPE", "\"ZSTD\"", "compression.type", "ZSTD"),
      ("KAFKA_SASL_MECHANISM", "scram-sha-256", "sasl.mechanism", "SCRAM-SHA-256"),
      ("KAFKA_CHECK_CRCS", "yes", "check.crcs", "true"),
      ("KAFKA_SOCKET_KEEPALIVE_ENABLE", "off", "socket.keepalive.enable", "false"),
      ("KAFKA_LINGER_MS", "5s", "linger.ms", "5000"),
      ("KAFKA_LINGER_MS", "1_000", "linger.ms", "1000"), ("KAFKA_LINGER_MS", "010", "linger.ms", "10"),
      ("KAFKA_BATCH_SIZE", "1MB", "batch.size", "1000000"),
      ("KAFKA_CLIENT_ID", "'5 cameras'", "client.id", "5 cameras"),
      ("KAFKA_SSL_CA_LOCATION", " \"/ca.pem\"\r", "ssl.ca.location", "/ca.pem"),
      ("KAFKA_SSL_KEY_LOCATION", "\"/key.pem\"\r", "ssl.key.location", "/key.pem"),
      ("KAFKA_SASL_USERNAME", "images ", "sasl.username", "images"),
    ])
  func usualSpellingsAreRead(name: String, text: String, property: String, value: String) {
    let properties = KafkaProperties([name: text])
    #expect(properties.problems == [] && properties.warnings == [])
    #expect(properties.producer.values[property] == value)
  }

  @Test(
    "a switch that is off, or only white space, sets nothing",
    arguments: [
      ("KAFKA_DEBUG", "false"), ("KAFKA_DEBUG", "0"), ("KAFKA_CLIENT_ID", " \r\n"), ("KAFKA_BOOTSTRAP_SERVERS", " \r"),
    ])
  func offSetsNothing(name: String, text: String) {
    let (properties, plain) = (KafkaProperties([name: text]), KafkaProperties([:]))
    #expect(properties.problems == [] && properties.warnings == [])
    #expect(properties.producer.values == plain.producer.values)
  }

  /// The library would use the digits and ignore the rest.
  @Test(
    "a number with something after it is refused",
    arguments: [
      ("KAFKA_LINGER_MS", "5 apples"), ("KAFKA_BATCH_SIZE", "1,000"), ("KAFKA_MESSAGE_MAX_BYTES", "10M"),
      ("KAFKA_RETRIES", "5s"), ("KAFKA_LINGER_MS", "0x10"), ("KAFKA_BOOTSTRAP_SERVERS", ";,"),
    ])
  func numberWithSuffixIsRefused(name: String, text: String) {
    let found = KafkaProperties([name: text]).problems
    #expect(found.count == 1 && found.first?.hasPrefix("\(name)=\(text) cannot be used: ") == true, "\(found)")
  }

  @Test("a server list may come from a file, too") func serverListMayComeFromFile() throws {
    let scratch = TestFolder()
    try scratch.write("servers", "a:1\n")
    #expect(producer(["KAFKA_BOOTSTRAP_SERVERS_FILE": scratch / "servers"], "bootstrap.servers") == "a:1")
  }

  @Test("a missing secret file is an error that names its path") func missingSecretFileIsNamed() {
    let found = KafkaProperties(["KAFKA_SASL_PASSWORD_FILE": "/no/such/secret"]).problems
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("KAFKA_SASL_PASSWORD_FILE=/no/such/secret cannot be used: ") == true)
  }

  @Test("an error does not repeat a secret from a file") func secretOfFileIsNotRepeated() throws {
    let scratch = TestFolder()
    try scratch.write("secret", "geheim")
    for name in [
      "KAFKA_ENABLE_SSL_CERTIFICATE_VERIFICATION_FILE", "KAFKA_SASL_JAAS_CONFIG_FILE", "KAFKA_GROUP_ID_FILE",
    ] {
      let found = KafkaProperties([name: scratch / "secret"]).problems
      #expect(found.count == 1)
      if name.contains("JAAS") { #expect(!found.joined().contains("geheim")) }
    }
  }

  @Test(
    "an error never repeats a secret",
    arguments: [
      "KAFKA_SASL_JAAS_CONFIG", "KAFKA_SSL_TRUSTSTORE_PASSWORD", "KAFKA_SSL__KEY", "KAFKA_SASL_PASSWORD",
      "KAFKA_SSL_KEY_PEM", "KAFKA_SSL_KEY_PASSWORD", "KAFKA_SSL_KEYSTORE_PASSWORD",
      "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", "KAFKA_SASL_OAUTHBEARER_CONFIG", "KAFKA_SSL_KEYSTORE_KEY",
    ])
  func secretIsNotRepeated(name: String) {
    let value = #"ScramLoginModule required username="u" password="geheim";"#
    let properties = KafkaProperties([name: value])
    #expect(!(properties.problems + properties.warnings).joined().contains("geheim"))
  }
}
