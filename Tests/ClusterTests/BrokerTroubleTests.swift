import TestSupport
import Testing

@testable import Cluster
@testable import Kafka

/// The words of librdkafka 2.0.2 to 2.16.
@Suite struct BrokerTroubleTests {
  private static let untrusted =
    "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, "
    + "verify that ssl.ca.location is correctly configured or root CA certificates are installed (install ca-certificates "
    + "package)"

  private static let cases: [(name: String, words: String, cure: String)] = [
    ("_SSL", untrusted, "set KAFKA_SSL_CA_LOCATION to the CA that signed it"),
    (
      "_TRANSPORT", "error:0A000086:SSL routines::certificate verify failed",
      "is valid for host broker"
    ),
    (
      "_AUTHENTICATION", "SASL authentication error: Authentication failed: Invalid username or password",
      "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, and KAFKA_SASL_MECHANISM"
    ),
    (
      "_AUTHENTICATION",
      "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL "
        + "mechanism SCRAM-SHA-512", "check KAFKA_SASL_USERNAME"
    ),
    (
      "_AUTHENTICATION",
      "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: "
        + "SCRAM-SHA-512", "set KAFKA_SASL_MECHANISM to one of those"
    ),
    (
      "_AUTHENTICATION",
      "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported "
        + "mechanisms: ", "asks for no password: set KAFKA_SECURITY_PROTOCOL"
    ),
    (
      "_TRANSPORT", "Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
      "KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
    ),
    (
      "_TRANSPORT",
      "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116",
      "KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
    ),
    (
      "_TRANSPORT", "Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown: SSL alert number 46",
      "KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
    ),
    (
      "_TRANSPORT",
      "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting "
        + "to a SSL listener?) or broker version is < 0.10 (see api.version.request)", "set KAFKA_SECURITY_PROTOCOL"
    ),
    (
      "_TRANSPORT",
      "Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication",
      "set KAFKA_SECURITY_PROTOCOL"
    ),
    (
      "_SSL", "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading",
      "set KAFKA_SECURITY_PROTOCOL"
    ),
    (
      "_SSL", "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
      "set KAFKA_SECURITY_PROTOCOL"
    ),
    // A listener that asks for a password may close the connection while the client still sends.
    ("_SSL", "Send failed: SSL transport error: Broken pipe (in state UP)", "set KAFKA_SECURITY_PROTOCOL"),
    ("_ALL_BROKERS_DOWN", "0/1 brokers are down", "set KAFKA_SECURITY_PROTOCOL"),
    ("_TRANSPORT", "Disconnected (in state SSL_HANDSHAKE)", "set KAFKA_SECURITY_PROTOCOL"),
    (
      "_RESOLVE", "Failed to resolve 'broker:9093': Name or service not known",
      "the host's name is unknown here: correct KAFKA_BOOTSTRAP_SERVERS"
    ),
    ("_TRANSPORT", "Connect to ipv4#127.0.0.1:1 failed: Connection refused", "nothing listens there: start the broker"),
    ("_TRANSPORT", "Connection setup timed out in state CONNECT", "host, network and firewall"),
    ("_TRANSPORT", "Connect to ipv4#10.0.0.1:1 failed: No route to host", "host, network and firewall"),
  ]

  @Test("a known trouble has a fix", arguments: cases.indices)
  func knownTroubleHasAFix(index: Int) throws {
    let (name, words, cure) = Self.cases[index]
    let trouble = BrokerTrouble(name: name, reason: "ssl://broker:9093/bootstrap: " + words)
    #expect(try #require(trouble.cure).contains(cure))
    #expect(trouble.description == "ssl://broker:9093/bootstrap: \(words) (\(name)): \(trouble.cure!)")
  }

  @Test("an unknown trouble is quoted as it is") func unknownTroubleIsQuoted() {
    let trouble = BrokerTrouble(name: "_TRANSPORT", reason: "broker:9092/1: Disconnected (in state UP)")
    #expect(trouble.cure == nil)
    #expect(trouble.description == "broker:9092/1: Disconnected (in state UP) (_TRANSPORT)")
  }

  @Test("a wrong advertised address is the broker's to correct") func advertisedAddressIsBrokersFault() throws {
    for (name, words) in [("_RESOLVE", "Failed to resolve"), ("_TRANSPORT", "Connection refused")] {
      let cure = try #require(BrokerTrouble(name: name, reason: "inside:29092/1: " + words).cure)
      #expect(cure.contains("advertised.listeners") && !cure.contains("KAFKA_BOOTSTRAP_SERVERS"), "\(cure)")
    }
  }

  @Test(
    "the host is named",
    arguments: [
      ("sasl_ssl://[::1]:9093/bootstrap", "[::1]"), ("ssl://a.example:9093/7", "a.example"),
      ("a:1/bootstrap", "a"),
    ])
  func hostIsNamed(address: String, host: String) throws {
    let trouble = BrokerTrouble(name: "_SSL", reason: address + ": certificate verify failed")
    #expect(try #require(trouble.cure).hasSuffix("valid for host \(host)"))
  }

  @Test(
    "an old SCRAM implementation is named, too",
    arguments: [
      ("2.0.2", true), ("2.6.0", true), ("1.9.2", true), ("2.6.1", false), ("2.8.0", false), ("2.14.0-RC1", false),
    ])
  func oldSCRAMIsNamed(version: String, isOld: Bool) throws {
    let trouble = BrokerTrouble(
      name: "_AUTHENTICATION", reason: "a:1/bootstrap: invalid credentials with SASL mechanism SCRAM-SHA-256",
      version: version)
    #expect(try #require(trouble.cure).contains("librdkafka \(version)") == isOld)
    #expect(try #require(trouble.cure).contains("KAFKA_SASL_PASSWORD"))
  }

  @Test("a trouble that has passed is not reported") func pastTroubleIsNotReported() {
    let trouble = ClientTrouble(name: "_RESOLVE", reason: "a:1/bootstrap: Failed to resolve", time: moment(1_000))
    #expect(BrokerTrouble(trouble, now: moment(60_000)) != nil)
    #expect(BrokerTrouble(trouble, now: moment(61_000)) == nil)
    #expect(BrokerTrouble(nil) == nil)
  }
}
