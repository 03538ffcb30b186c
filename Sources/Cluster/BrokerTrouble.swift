package import Kafka
package import Platform

/// Why a broker does not answer, in librdkafka's words, and how to fix it. No other type depends on these words.
package struct BrokerTrouble: CustomStringConvertible, Equatable {
  /// The error's name and librdkafka's words, as in `ClientTrouble`.
  package let name: String
  package let reason: String
  /// The version of librdkafka.
  var version = KafkaSettings.version

  /// The age at which a report counts as outdated. librdkafka repeats a report every 30 s, and waits up to 10 s
  /// between two tries.
  private static let patience = Duration.seconds(60)

  init(name: String, reason: String, version: String = KafkaSettings.version) {
    self.name = name
    self.reason = reason
    self.version = version
  }

  /// The trouble that a client reported; nil if there was none recently.
  package init?(_ trouble: ClientTrouble?, now: MonotonicClock.Instant = .now) {
    guard let trouble, now - trouble.time < Self.patience else { return nil }
    self.init(name: trouble.name, reason: trouble.reason)
  }

  /// The trouble behind an error; nil if the error describes its cause itself, or if there was no trouble recently.
  init?(behind error: KafkaError, of client: KafkaClient) {
    guard error.isTimedOut || error.isTransport else { return nil }
    self.init(client.lastTrouble())
  }

  /// `ssl://broker:9093/bootstrap: ... certificate verify failed (_SSL): set KAFKA_SSL_CA_LOCATION to ...`
  package var description: String { "\(reason) (\(name))" + (cure.map { ": " + $0 } ?? "") }

  /// The fix: the variables to set, and what else to check; nil if no entry of the table matches.
  package var cure: String? {
    let words = "\(reason) (\(name))"
    return Self.table.first { $0.signs.contains { words.contains($0) } }?.cure(self)
  }

  package struct Entry {
    /// Texts of errors. One of them is enough to identify the entry.
    let signs: [String]
    let cure: @Sendable (BrokerTrouble) -> String
  }

  /// The known troubles. The first matching entry counts.
  static let table = [
    Entry(signs: ["Too many open files"]) { _ in "raise the limit of open files (ulimit -n, LimitNOFILE=)" },
    Entry(signs: ["No brokers configured"]) { _ in "set KAFKA_BOOTSTRAP_SERVERS to host:port,host:port" },
    Entry(signs: ["not valid in current SASL state"]) { _ in
      "this listener asks for no password: set KAFKA_SECURITY_PROTOCOL to PLAINTEXT or SSL, or use a listener that does"
    },
    Entry(signs: ["Unsupported SASL mechanism"]) { _ in
      "set KAFKA_SASL_MECHANISM to one of those that the broker supports"
    },
    Entry(signs: ["mechanism SCRAM"]) { trouble in
      password
        + (isScramOld(trouble.version)
          ? ". Kafka 4.0 and newer refuse SCRAM from librdkafka \(trouble.version): use PLAIN over TLS, a certificate, "
            + "or librdkafka 2.6.1" : "")
    },
    Entry(signs: ["(_AUTHENTICATION)"]) { _ in password },
    // librdkafka reports an untrusted certificate and a certificate of another host in the same words.
    Entry(signs: ["certificate verify failed", "certificate could not be verified"]) { trouble in
      "the broker's certificate is not trusted: set KAFKA_SSL_CA_LOCATION to the CA that signed it, and check that it has not "
        + "expired and is valid for host \(trouble.host)"
    },
    Entry(
      signs: [
        "alert bad certificate", "alert certificate required", "alert certificate unknown", "alert unknown ca",
        "alert certificate expired", "alert certificate revoked", "alert unsupported certificate",
        "client SSL authentication might be required",
      ]
    ) { _ in
      "the broker requires a client certificate that it trusts: set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
    },
    Entry(
      signs: [
        "security.protocol", "requesting ApiVersion", "a PLAINTEXT broker listener", "unexpected eof",
        "wrong version number", "SSL transport error", "in state SSL_HANDSHAKE", "in state APIVERSION_QUERY",
      ]
    ) { _ in protocolOrStart },
    Entry(signs: ["(_RESOLVE)"]) { "the host's name is unknown here: \($0.addressCure)" },
    Entry(signs: ["Connection refused"]) { "nothing listens there: start the broker, or \($0.addressCure)" },
    Entry(signs: ["in state CONNECT", "No route to host", "Network is unreachable", "Connection timed out"]) {
      "there is no route to the broker: check host, network and firewall, or \($0.addressCure)"
    },
    // Newer versions of librdkafka report nothing else about a peer that closes the connection.
    Entry(signs: ["(_ALL_BROKERS_DOWN)"]) { _ in protocolOrStart },
  ]

  /// The fix if a peer exists, and nothing more is known about it.
  package static let protocolOrStart =
    "set KAFKA_SECURITY_PROTOCOL to what this listener speaks (PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL), or wait if the "
    + "broker is just starting"

  static let password =
    "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, and KAFKA_SASL_MECHANISM"

  /// Before 2.6.1, librdkafka sends its nonce twice. Brokers accepted that until Kafka 4.0.
  private static func isScramOld(_ version: String) -> Bool { LibraryVersion(version) < "2.6.1" }

  /// The host that the reason begins with: `broker` in `ssl://broker:9093/bootstrap`.
  private var host: String {
    let address = reason.prefix { $0 != " " }
    let place = address.ranges(of: "://").first.map { address[$0.upperBound...] } ?? address
    let host = place.prefix { $0 != "/" }
    return String(host.lastIndex(of: ":").map { host[..<$0] } ?? host)
  }

  /// The setting to correct, which is the one that the address came from.
  private var addressCure: String {
    reason.prefix { $0 != " " }.contains("/bootstrap")
      ? "correct KAFKA_BOOTSTRAP_SERVERS"
      : "correct the broker's advertised.listeners, which name this address to clients"
  }
}
