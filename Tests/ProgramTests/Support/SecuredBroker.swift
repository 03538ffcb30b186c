import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// A broker that requires authentication, with the files that `Tests/Secured/prepare.sh` created in the folder
/// KAFKA_TEST_SECURED.
struct SecuredBroker {
  /// A way to authenticate.
  enum Way: String, CaseIterable, Sendable {
    /// Only the broker does, by TLS.
    case tls
    /// With a password.
    case plain = "PLAIN"
    case scram256 = "SCRAM-SHA-256"
    case scram512 = "SCRAM-SHA-512"
    /// With a client certificate.
    case mutual

    /// The ways that this librdkafka supports: before 2.6.1, Kafka 4.0 and newer refuse its SCRAM.
    static let working = allCases.filter { !$0.rawValue.hasPrefix("SCRAM") || !isScramOld }

    static let isScramOld: Bool = {
      let numbers = KafkaSettings.version.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 }
      return numbers.lexicographicallyPrecedes([2, 6, 1])
    }()

    /// The broker's listener.
    var listener: String {
      switch self {
      case .tls: "tls"
      case .mutual: "mutual"
      case .plain, .scram256, .scram512: "sasl"
      }
    }
  }

  /// `carrier` has all rights, `stranger` only those that a test grants.
  enum User: String { case carrier, stranger }

  static let folder = getenv("KAFKA_TEST_SECURED").map { String(cString: $0) }
  private let folder: String
  private let addresses: [String: String]

  init() throws {
    folder = try #require(Self.folder)
    let lines = try Self.text(folder + "/addresses").split(separator: "\n")
    addresses = Dictionary(
      uniqueKeysWithValues: lines.map { line in
        let parts = line.split(separator: "=", maxSplits: 1).map { String($0) }
        return (parts[0], parts[1])
      })
  }

  func file(_ name: String) -> String { folder + "/" + name }

  func address(_ listener: String) throws -> String { try #require(addresses[listener]) }

  /// librdkafka's properties for a successful login.
  func properties(_ way: Way, _ user: User = .carrier) throws -> [String: String] {
    var properties = ["security.protocol": "SSL", "ssl.ca.location": file("ca.pem")]
    switch way {
    case .tls: break
    case .mutual:
      properties["ssl.certificate.location"] = file("\(user.rawValue).pem")
      properties["ssl.key.location"] = file("\(user.rawValue).key")
    case .plain, .scram256, .scram512:
      properties["security.protocol"] = "SASL_SSL"
      properties["sasl.mechanism"] = way.rawValue
      properties["sasl.username"] = user.rawValue
      properties["sasl.password"] = try Self.text(file("password"))
    }
    return properties
  }

  /// - Parameter topic: nil: a new name without a topic.
  func broker(_ way: Way, _ user: User = .carrier, topic: String? = nil) throws -> Broker {
    Broker(
      servers: try address(way.listener), topic: topic ?? Broker.newTopic(), properties: try properties(way, user))
  }

  /// A client with all rights.
  func operatorClient() throws -> KafkaProducer {
    var settings = try broker(.tls).settings()
    settings.set("allow.auto.create.topics", "false")
    return try KafkaProducer(settings) { _ in }
  }

  /// Grants the stranger a right, and waits until the broker applies it.
  ///
  /// A broker applies rights some moments after the answer, in the order of the requests. So a second right, to see a
  /// topic that nobody uses, shows when the first one counts.
  func allow(_ operation: KafkaClient.Operation, on resource: KafkaClient.Resource, as client: KafkaProducer) throws {
    let user = "User:stranger"
    let marker = Broker.newTopic()
    try client.allow(user, operation, on: resource, timeout: .seconds(30))
    try client.allow(user, .describe, on: .topic(marker), timeout: .seconds(30))
    var settings = try broker(.plain, .stranger, topic: marker).settings()
    settings.set("allow.auto.create.topics", "false")
    let stranger = try KafkaProducer(settings) { _ in }
    let isApplied = eventually {
      do throws(KafkaError) {
        _ = try stranger.partitionCount(of: marker, timeout: .seconds(5))
        return true
      } catch { return false }
    }
    try #require(isApplied, "the broker does not apply the right on \(resource)")
  }

  private static func text(_ path: String) throws -> String {
    let scratch = TestFolder()
    let program = try Program([path], in: scratch, executable: "/bin/cat")
    try #require(program.exitCode() == 0, "\(program.output)")
    return program.output
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips the test if there is no such broker.
  static var securedBroker: Self {
    .enabled("KAFKA_TEST_SECURED names no folder of a secured Apache Kafka") { SecuredBroker.folder != nil }
  }
}
