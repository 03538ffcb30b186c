import Cluster
import Kafka
import Platform
import Telemetry

/// Whether brokers can be reached from here, as far as sockets and the client's own messages tell.
enum BrokerReach {
  /// The addresses in `bootstrap.servers`. Parts that are not addresses are left out.
  static func addresses(_ servers: String) -> [TCPProbe.Address] {
    servers.split(separator: ",").compactMap { part in
      var text = part.drop { $0 == " " }
      while text.last == " " { text.removeLast() }
      // A protocol is allowed before the host. Its colon does not separate the port.
      if let start = text.firstRange(of: "://") { text = text[start.upperBound...] }
      return TCPProbe.Address(text, defaultPort: 9092)
    }
  }

  /// No broker answers.
  /// - Parameters:
  ///   - tried: the addresses that the client asks first, each with the outcome of a TCP connection to it.
  ///   - trouble: the trouble that the client reported; nil if it reported none.
  static func noAnswer(
    seconds: Int, _ tried: [(TCPProbe.Address, TCPProbe.Outcome)], _ trouble: BrokerTrouble?
  ) -> [Finding] {
    let said = trouble.map { ": \($0.reason) (\($0.name))" } ?? ""
    let servers = tried.map { "\($0.0)" }.joined(separator: ",")
    var findings: [Finding] = []
    for (address, outcome) in tried {
      switch outcome {
      case .connected:
        findings.append(
          .problem(
            "broker_protocol",
            "\(address) accepts connections, but does not speak Kafka with this client\(said)",
            cure: trouble?.cure ?? BrokerTrouble.protocolOrStart))
      case .unresolved(let reason):
        findings.append(
          .problem(
            "broker_name",
            "the host name \(address.host) is unknown here: \(reason)",
            cure:
              "start the broker if it is compose's (make up), or set KAFKA_BOOTSTRAP_SERVERS to its name "
              + "here: in compose's containers broker:29092, on the host localhost:9092"))
      case .failed(let reason):
        findings.append(
          .problem(
            "broker_reachable",
            "\(address) cannot be reached: \(reason)",
            cure: "start the broker (make up; make ps shows its state), or set KAFKA_BOOTSTRAP_SERVERS"))
      case .silent:
        findings.append(
          .problem(
            "broker_reachable",
            "\(address) does not answer at all",
            cure: "allow the connection (firewall, container network), or set KAFKA_BOOTSTRAP_SERVERS")
        )
      }
    }
    if findings.isEmpty {
      findings = [
        .problem(
          "broker_reachable",
          "no broker answered within \(seconds) s\(servers.isEmpty ? "" : " at \(servers)")\(said)",
          cure: "set KAFKA_BOOTSTRAP_SERVERS to host:port,host:port")
      ]
    }
    return findings
  }

  /// Reports for each broker whether it can be reached under its advertised name.
  static func advertised(_ brokers: [KafkaBroker], _ outcomes: [TCPProbe.Outcome]) -> [Finding] {
    zip(brokers, outcomes).map { broker, outcome in
      let address = TCPProbe.Address(host: broker.host, port: broker.port)
      let reason: String
      // The other brokers may not know yet of a broker that has just gone.
      var start = "start it if it is down; otherwise "
      switch outcome {
      case .connected:
        return .ok("broker_advertised", "broker \(broker.id) announces \(address), which can be reached from here")
      case .unresolved: (reason, start) = ("no such name is known here", "")
      case .failed(let words): reason = words
      case .silent: reason = "no answer"
      }
      return .problem(
        "broker_advertised",
        "broker \(broker.id) announces \(address), which cannot be reached from here: \(reason)",
        cure: start
          + "set advertised.listeners of that broker (KAFKA_ADVERTISED_LISTENERS) to a name and port that clients here reach, "
          + "or connect to the listener that is meant for them")
    }
  }

  /// The checks that are skipped because some of the brokers cannot be reached; nil if there are none.
  static func skipped(_ brokers: [KafkaBroker], reachable: [KafkaBroker]) -> Finding? {
    let others = brokers.filter { !reachable.contains($0) }.map { String($0.id) }
    guard !others.isEmpty, !reachable.isEmpty else { return nil }
    return .note(
      "brokers_skipped",
      "skipped: the limits of broker \(others.joined(separator: ", ")); its partitions may be missing below",
      "run doctor again when it is reachable")
  }
}
