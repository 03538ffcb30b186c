import Testing

@testable import Cluster
@testable import Doctor
@testable import Kafka
@testable import Platform

/// The connection to the brokers.
@Suite struct DoctorBrokerTests {
  private let broker = TCPProbe.Address(host: "broker", port: 9_092)

  @Test("bootstrap servers are read as the client reads them") func serversAreReadLikeTheClient() {
    let read = { BrokerReach.addresses($0).map { "\($0)" } }
    #expect(read("a:1, b:2") == ["a:1", "b:2"])
    #expect(read("SASL_SSL://a:1,b") == ["a:1", "b:9092"])
    #expect(read("[::1]:9,[fe80::2]") == ["[::1]:9", "[fe80::2]:9092"])
    #expect(read("") == [] && read(",") == [] && read("a:x") == [] && read(":5") == [])
  }

  @Test(
    "a silent broker is explained by what a socket met",
    arguments: [
      (
        TCPProbe.Outcome.unresolved("name or service not known"), "broker_name", "broker:29092"
      ),
      (.failed("connection refused"), "broker_reachable", "make up"), (.silent, "broker_reachable", "firewall"),
      (.connected, "broker_protocol", "KAFKA_SECURITY_PROTOCOL"),
    ])
  func silenceIsExplainedBySocket(outcome: TCPProbe.Outcome, check: String, cure: String) {
    let findings = BrokerReach.noAnswer(seconds: 10, [(broker, outcome)], nil)
    #expect(findings.keys == ["\(check) problem"])
    #expect(findings.first?.text.contains("broker") == true, "\(findings)")
    #expect(findings.first?.cure?.contains(cure) == true, "\(findings)")
  }

  @Test("missing servers are the problem") func missingServersAreTheProblem() {
    let findings = BrokerReach.noAnswer(seconds: 10, [], BrokerTrouble(name: "_TRANSPORT", reason: "nobody there"))
    #expect(findings.keys == ["broker_reachable problem"])
    #expect(findings.first?.text.hasSuffix("nobody there (_TRANSPORT)") == true, "\(findings)")
  }

  @Test("the client's words decide the fix") func clientsWordsDecideTheFix() {
    let trouble = BrokerTrouble(
      name: "_SSL", reason: "ssl://broker:9093/bootstrap: SSL handshake failed: certificate verify failed")
    let finding = BrokerReach.noAnswer(seconds: 10, [(broker, .connected)], trouble).first
    #expect(finding?.text.hasSuffix(": \(trouble.reason) (_SSL)") == true)
    #expect(finding?.cure == trouble.cure && finding?.cure?.contains("KAFKA_SSL_CA_LOCATION") == true)
  }

  @Test("a broker with a wrong advertised listener is found") func advertisedListenerIsFound() {
    let brokers = [
      KafkaBroker(id: 1, host: "a", port: 1), KafkaBroker(id: 2, host: "b", port: 2),
      KafkaBroker(id: 3, host: "c", port: 3),
    ]
    let findings = BrokerReach.advertised(brokers, [.connected, .unresolved("x"), .failed("connection refused")])
    #expect(findings.keys == ["ok", "problem", "problem"].map { "broker_advertised \($0)" })
    #expect(findings[1].text.hasPrefix("broker 2 announces b:2, "))
    #expect(findings[2].text.hasSuffix("connection refused"))
    for finding in findings.dropFirst() { #expect(finding.cure?.contains("advertised.listeners") == true) }
    // Only a broker that may be down is to be started.
    #expect(findings[1].cure?.contains("start it") == false && findings[2].cure?.contains("start it") == true)
  }

  @Test("skipped checks are reported") func skippedChecksAreReported() {
    let brokers = (1...3).map { KafkaBroker(id: Int32($0), host: "a", port: $0) }
    #expect(BrokerReach.skipped(brokers, reachable: brokers) == nil)
    let some = BrokerReach.skipped(brokers, reachable: [brokers[1]])
    #expect(some?.key == "brokers_skipped note" && some?.text.contains("broker 1, 3;") == true)
    #expect(BrokerReach.skipped(brokers, reachable: []) == nil, "then all of it is left out")
  }
}
