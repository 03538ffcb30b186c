import Cluster
import Kafka
import Platform
import Telemetry

/// The way to the brokers: who answers, what they are called, what they let this user see.
///
/// Asks as a consumer that joins no group: nothing is made, moved or committed by it.
final class BrokerCheck {
  let client: KafkaConsumer
  let settings: KafkaSettings
  private let stop: StopFlag

  /// False where the brokers do not know the question, to which the embedded one would let others wait.
  private(set) var tellsSettings = true

  /// In ms.
  static let patience = 10_000
  static let answer = 5_000
  /// A server that does not know the question may say nothing at all.
  private static let clockAnswer = 2_000
  /// A cluster may have hundreds.
  static let mostBrokers = 20

  /// - Throws: where the settings contradict one another.
  init(_ settings: KafkaSettings, topic: String, stop: StopFlag) throws(KafkaError) {
    var own = settings
    // To ask for a topic must not make it.
    own.set("allow.auto.create.topics", "false")
    // What matters of it becomes a finding.
    own.onLog = { _, _, _ in }
    self.settings = own
    self.stop = stop
    client = try KafkaConsumer(own, topic: topic)
  }

  func close() { client.unsubscribeAndClose() }

  /// - Returns: the brokers that can be reached; nil where there is none, or where `stop` was set.
  func look(_ report: DoctorReport) -> [KafkaBroker]? {
    let servers = settings.values["bootstrap.servers"] ?? ""
    guard let cluster = clusterID() else {
      guard !stop.isSet else { return nil }
      let addresses = BrokerReach.addresses(servers)
      let outcomes = TCPProbe.connect(to: addresses, timeoutMilliseconds: 3_000)
      let trouble = BrokerTrouble(client.lastTrouble())
      report.add(BrokerReach.noAnswer(seconds: Self.patience / 1_000, Array(zip(addresses, outcomes)), trouble))
      return nil
    }
    report.add(.ok("\(servers) answers; cluster \(cluster)"))
    let brokers: [KafkaBroker]
    do { brokers = try client.brokers(timeoutMilliseconds: Self.answer) } catch {
      report.add(.problem(error, cure: "look at the broker's log"))
      return nil
    }
    let known = Array(brokers.prefix(Self.mostBrokers))
    let outcomes = TCPProbe.connect(
      to: known.map { TCPProbe.Address(host: $0.host, port: $0.port) }, timeoutMilliseconds: 3_000)
    report.add(BrokerReach.advertised(known, outcomes))
    if brokers.count > known.count { report.add(.ok("\(brokers.count - known.count) more brokers, not looked at")) }
    let reachable = zip(known, outcomes).filter { $0.1 == .connected }.map(\.0)
    if let finding = BrokerReach.skipped(known, reachable: reachable) { report.add(finding) }
    return reachable.isEmpty ? nil : reachable
  }

  /// nil where it is not told.
  func clock(of broker: KafkaBroker) -> BrokerClock? {
    guard settings.effective("security.protocol") == "plaintext" else { return nil }
    return BrokerClock.ask(host: broker.host, port: broker.port, timeoutMilliseconds: Self.clockAnswer)
  }

  /// In slices, so that a wish to end is heard.
  private func clusterID() -> String? {
    let end = Clock.monotonicMilliseconds + Int64(Self.patience)
    while !stop.isSet, Clock.monotonicMilliseconds < end {
      if let id = try? client.clusterID(timeoutMilliseconds: 500) { return id }
    }
    return nil
  }

  /// By the brokers' ids. Stops at the first that does not tell, and says why.
  func settings(of brokers: [KafkaBroker], _ report: DoctorReport) -> [(id: Int32, settings: [String: String])] {
    var found: [(id: Int32, settings: [String: String])] = []
    for broker in brokers.prefix(Self.mostBrokers) where !stop.isSet {
      do {
        found.append((broker.id, try client.brokerSettings(broker.id, timeoutMilliseconds: Self.answer)))
      } catch {
        tellsSettings = !error.isUnsupported
        report.add(Self.untold("the limits of broker \(broker.id)", error))
        break
      }
    }
    return found
  }

  /// Asks again as long as the answer is one that passes: a coordinator that is being found, a leader that is being elected.
  static func asking<Answer>(
    _ stop: StopFlag, _ question: (_ timeoutMilliseconds: Int) throws(KafkaError) -> Answer
  ) throws(KafkaError) -> Answer {
    let end = Clock.monotonicMilliseconds + Int64(answer)
    while true {
      do { return try question(max(1, Int(end - Clock.monotonicMilliseconds))) } catch {
        // A leader may not have heard yet of a partition that others name.
        let passes = error.isRetriable || error.isUnknownTopic
        guard passes, !stop.wait(milliseconds: pause), Clock.monotonicMilliseconds < end else { throw error }
      }
    }
  }
  /// Between two questions, in ms.
  private static let pause = 100

  /// What is not told is no fault of the pipeline's, which does without.
  static func untold(_ what: String, _ error: KafkaError) -> Finding {
    let text = "\(what): not told (\(Finding.summary(error)))"
    if let right = error.missingRight { return .note(text, "to have it looked at: \(right)") }
    return error.isUnsupported ? .ok(text) : .note(text, "look at the broker's log, and try again")
  }
}
