import Glibc
import TestSupport
import Testing

@testable import Platform

/// TLS, passwords and certificates, on a broker that requires them.
@Suite(.ownThread, .securedBroker) struct SecuredBrokerTests {
  private let folder = TestFolder()
  private let secured: SecuredBroker

  init() throws {
    secured = try SecuredBroker()
    try folder.makeFolder("images")
  }

  @Test("images are carried and verified over each way to log in", arguments: SecuredBroker.Way.working)
  func imagesAreCarried(way: SecuredBroker.Way) throws {
    let images = sampleImages(3).merging(["large.png": SeededNumbers.bytes(40_000, seed: 9)]) { $1 }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    var environment = try secured.broker(way).environment(["SEGMENT_BYTES": "9000"])
    if environment.removeValue(forKey: "KAFKA_SASL_PASSWORD") != nil {
      environment["KAFKA_SASL_PASSWORD_FILE"] = secured.file("password")
    }
    for command in [["producer", "--once"], ["consumer", "--until-idle", "0.3"], ["verify"]] {
      let program = try Program(command, in: folder, environment: environment)
      #expect(program.exitCode() == 0, "\(program.output)")
      #expect(!program.output.contains("a-secret"), "\(program.output)")
    }
    try expectStored(images, in: folder)
  }

  @Test("a password that changes in its file is used without a restart", arguments: ["producer", "consumer"])
  func changedPasswordIsUsed(side: String) throws {
    var broker = try secured.broker(.plain)
    let open = try secured.broker(.tls, topic: broker.topic)
    _ = try secured.operatorClient().createTopic(broker.topic, partitions: 1, timeout: .seconds(30))
    try folder.write("images/a.jpg", [1])
    if side == "consumer" { try open.send([.image("a.jpg", [1])]) }
    let right = try secured.properties(.plain)["sasl.password"] ?? ""
    broker = Broker(
      servers: broker.servers, topic: broker.topic,
      properties: try secured.properties(.plain).filter { $0.key != "sasl.password" })
    try folder.write("password", Array("wrong".utf8))
    let program = try Program(
      [side], in: folder, environment: broker.environment(["KAFKA_SASL_PASSWORD_FILE": folder.path + "/password"]))
    #expect(eventually { program.hasEvent("broker_unreachable") }, "\(program.output)")
    try folder.write("password", Array(right.utf8))
    let isIn = eventually(within: .seconds(60)) {
      side == "consumer" ? folder.rows.count == 1 : try TopicContent(open).names() == ["a.jpg"]
    }
    #expect(isIn, "\(program.output)")
    #expect(program.terminate() == 0, "\(program.output)")
    #expect(!program.output.contains(right) && !program.output.contains("wrong"), "\(program.output)")
  }

  /// A mistake, and the fix that the log names.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let name: String
    let way: SecuredBroker.Way
    /// Another listener than the usual one.
    var listener: String?
    /// Empty means left out.
    var properties: [String: String] = [:]
    /// Files of the secured broker, by property.
    var files: [String: String] = [:]
    let fix: String
    var testDescription: String { name }
  }

  private static let trust = "set KAFKA_SSL_CA_LOCATION to the CA that signed it"
  private static let password = "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD"
  private static let certificate = "KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
  private static let listener = "KAFKA_SECURITY_PROTOCOL"
  private static let mistakes =
    [
      Mistake(name: "unknown CA", way: .tls, files: ["ssl.ca.location": "another-ca.pem"], fix: trust),
      // Resolves to 127.0.0.1, and the certificate does not name it.
      Mistake(name: "another host", way: .tls, properties: ["bootstrap.servers": "127.1"], fix: "valid for host 127.1"),
      Mistake(
        name: "no certificate", way: .mutual,
        properties: ["ssl.certificate.location": "", "ssl.key.location": ""], fix: certificate),
      Mistake(
        name: "plain text for TLS", way: .tls,
        properties: ["security.protocol": "PLAINTEXT", "ssl.ca.location": ""], fix: listener),
      Mistake(name: "no password for a listener that wants one", way: .tls, listener: "sasl", fix: listener),
      Mistake(name: "a password for a listener that wants none", way: .plain, listener: "tls", fix: listener),
    ]
    + [.plain, .scram256, .scram512].map {
      Mistake(name: "wrong password, \($0)", way: $0, properties: ["sasl.password": "wrong"], fix: password)
    }

  @Test(
    "a librdkafka too old for SCRAM is named as the cause",
    .enabled("this librdkafka knows SCRAM as Kafka 4.0 and newer want it") { SecuredBroker.Way.isScramOld },
    arguments: [SecuredBroker.Way.scram256, .scram512])
  func oldLibraryIsNamed(way: SecuredBroker.Way) throws {
    let producer = try Program(["producer"], in: folder, environment: secured.broker(way).environment())
    let isSaid = eventually { producer.hasEvent("broker_unreachable", naming: "librdkafka 2.6.1") }
    #expect(isSaid, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  private func environment(_ mistake: Mistake) throws -> [String: String] {
    var properties = try secured.properties(mistake.way).merging(mistake.properties) { $1 }
    for (property, name) in mistake.files { properties[property] = secured.file(name) }
    var servers = try secured.address(mistake.listener ?? mistake.way.listener)
    if let host = properties.removeValue(forKey: "bootstrap.servers") {
      servers = host + servers.drop { $0 != ":" }
    }
    return Broker(servers: servers, topic: Broker.newTopic(), properties: properties.filter { !$0.value.isEmpty })
      .environment()
  }

  @Test(
    "a side with a wrong security setting reports the fix and waits", arguments: mistakes, ["producer", "consumer"])
  func mistakeIsReportedWithFix(mistake: Mistake, side: String) throws {
    let port = try StatusPage.freePort()
    let program = try Program(
      [side], in: folder,
      environment: try environment(mistake).merging(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]) { $1 })
    try program.expectWaiting(in: folder, port: port, naming: [mistake.fix])
    #expect(!program.output.contains("a-secret"), "\(program.output)")
  }

  @Test("a command with a wrong security setting exits with the fix", arguments: ["messages", "dead-letters"])
  func commandExitsWithFix(command: String) throws {
    let mistake = try #require(Self.mistakes.last)
    let program = try Program([command], in: folder, environment: try environment(mistake))
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(program.hasEvent("program_failed", ["error": "NoBroker"], naming: mistake.fix), "\(program.output)")
  }
}
