import Kafka
import Platform

/// The way to the brokers: who answers, what they are called, what they let this user see.
///
/// Asks as a consumer that joins no group: nothing is made, moved or committed by it.
final class BrokerCheck {
  let client: KafkaConsumer
  let settings: KafkaSettings
  private let words: ClientWords
  private let stop: StopFlag

  /// False where the brokers do not know the question, to which the embedded one would let others wait.
  private(set) var tellsSettings = true

  /// In ms.
  static let patience = 10_000
  static let answer = 5_000
  /// A cluster may have hundreds.
  static let mostBrokers = 20

  /// - Throws: where the settings contradict one another.
  init(_ settings: KafkaSettings, topic: String, stop: StopFlag) throws(KafkaError) {
    let words = ClientWords()
    var own = settings
    // To ask for a topic must not make it.
    own.set("allow.auto.create.topics", "false")
    own.onLog = { words.note($0, $1, $2) }
    self.settings = own
    self.words = words
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
      report.add(
        BrokerReach.noAnswer(seconds: Self.patience / 1_000, Array(zip(addresses, outcomes)), words: words.all))
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

  /// What is not told is no fault of the pipeline's, which does without.
  static func untold(_ what: String, _ error: KafkaError) -> Finding {
    let text = "\(what): not told (\(Finding.summary(error)))"
    if let right = error.missingRight { return .note(text, "to have it looked at: \(right)") }
    return error.isUnsupported ? .ok(text) : .note(text, "look at the broker's log, and try again")
  }
}
