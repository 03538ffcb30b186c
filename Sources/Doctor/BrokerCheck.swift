import Cluster
import Kafka
import Platform
import Telemetry

/// Checks the way to the brokers: which ones answer, under which names, and what they let this user see.
///
/// It asks as a consumer that joins no group: it creates, moves and commits nothing.
final class BrokerCheck {
  let client: KafkaConsumer
  let settings: KafkaSettings
  private let stop: StopFlag

  /// False if the brokers do not support the question for settings. Asking an embedded broker again would make other
  /// questions wait.
  private(set) var tellsSettings = true

  static let patience = Duration.seconds(10)
  static let answer = Duration.seconds(5)
  /// The time limit for the clock. A server that does not support the question may not answer at all.
  private static let clockAnswer = Duration.seconds(2)
  /// At most this many brokers are looked at. A cluster may have hundreds.
  static let mostBrokers = 20

  /// - Throws: if the settings contradict one another.
  init(_ settings: KafkaSettings, topic: String, stop: StopFlag) throws(KafkaError) {
    var own = settings
    // Asking for a topic must not create it.
    own.set("allow.auto.create.topics", "false")
    // Lines that matter become findings.
    own.onLog = { _, _, _ in }
    self.settings = own
    self.stop = stop
    client = try KafkaConsumer(own, topic: topic)
  }

  func close() { client.unsubscribeAndClose() }

  /// - Returns: the brokers that can be reached; nil if there is none, or if `stop` was set.
  func look(_ report: DoctorReport) -> [KafkaBroker]? {
    let servers = settings.values["bootstrap.servers"] ?? ""
    guard let cluster = clusterID() else {
      guard !stop.isSet else { return nil }
      let addresses = BrokerReach.addresses(servers)
      let outcomes = TCPProbe.connect(to: addresses, timeout: .seconds(3))
      let trouble = BrokerTrouble(client.lastTrouble())
      report.add(
        BrokerReach.noAnswer(seconds: Int(Self.patience.components.seconds), Array(zip(addresses, outcomes)), trouble))
      return nil
    }
    report.add(.ok("broker_reachable", "\(servers) answers; cluster \(cluster)"))
    let brokers: [KafkaBroker]
    do { brokers = try client.brokers(timeout: Self.answer) } catch {
      report.add(.problem("broker_list", error, cure: "look at the broker's log"))
      return nil
    }
    let known = Array(brokers.prefix(Self.mostBrokers))
    let outcomes = TCPProbe.connect(
      to: known.map { TCPProbe.Address(host: $0.host, port: $0.port) }, timeout: .seconds(3))
    report.add(BrokerReach.advertised(known, outcomes))
    if brokers.count > known.count {
      report.add(.ok("brokers_unchecked", "\(brokers.count - known.count) more brokers, not checked"))
    }
    let reachable = zip(known, outcomes).filter { $0.1 == .connected }.map(\.0)
    if let finding = BrokerReach.skipped(known, reachable: reachable) { report.add(finding) }
    return reachable.isEmpty ? nil : reachable
  }

  /// The broker's clock; nil if the broker does not tell.
  func clock(of broker: KafkaBroker) -> BrokerClock? {
    guard settings.effective("security.protocol") == "plaintext" else { return nil }
    return BrokerClock.ask(host: broker.host, port: broker.port, timeout: Self.clockAnswer)
  }

  /// Asks with short timeouts, so that `stop` takes effect soon.
  private func clusterID() -> String? {
    let deadline = Deadline(in: Self.patience)
    while !stop.isSet, !deadline.hasPassed {
      if let id = try? client.clusterID(timeout: .milliseconds(500)) { return id }
    }
    return nil
  }

  /// The settings of the brokers, with their ids. Stops at the first broker that does not tell, and reports why.
  func settings(of brokers: [KafkaBroker], _ report: DoctorReport) -> [(id: Int32, settings: [String: String])] {
    var found: [(id: Int32, settings: [String: String])] = []
    for broker in brokers.prefix(Self.mostBrokers) where !stop.isSet {
      do {
        found.append((broker.id, try client.brokerSettings(broker.id, timeout: Self.answer)))
      } catch {
        tellsSettings = !error.isUnsupported
        report.add(Self.untold("broker_limits", "the limits of broker \(broker.id)", error))
        break
      }
    }
    return found
  }

  /// Asks again as long as the error is a temporary one: a coordinator that is being found, or a leader that is being
  /// elected.
  static func asking<Answer>(
    _ stop: StopFlag, _ question: (_ timeout: Duration) throws(KafkaError) -> Answer
  ) throws(KafkaError) -> Answer {
    let deadline = Deadline(in: answer)
    while true {
      do { return try question(max(.milliseconds(1), deadline.remaining)) } catch {
        // A leader may not have heard yet of a partition that other brokers name.
        let passes = error.disposition == .transient || error.isUnknownTopic
        guard passes, !stop.wait(for: pause), !deadline.hasPassed else { throw error }
      }
    }
  }
  /// The pause between two questions.
  private static let pause = Duration.milliseconds(100)

  /// The finding for an answer that the broker does not give. That is not a fault of the pipeline, which works without
  /// it.
  static func untold(_ check: String, _ what: String, _ error: KafkaError) -> Finding {
    let text = "\(what): unknown (\(Finding.summary(error)))"
    if let right = error.missingRight { return .note(check, text, "to have it checked: \(right)") }
    return error.isUnsupported ? .ok(check, text) : .note(check, text, "look at the broker's log, and try again")
  }
}
