import Synchronization

@testable import Configuration
@testable import Consumer
@testable import Platform
@testable import Telemetry

/// A consumer within the test's own process, for what no environment variable says: that two embedded clusters are one.
enum LocalConsumer {
  /// Stores everything and ends. Returns what it logged.
  @discardableResult
  static func storeAll(
    in folder: Scratch, _ broker: Broker, cluster: String = "the same", idle: Int = 300,
    _ change: (inout ConsumerSettings) -> Void = { _ in }
  ) throws -> [String] {
    let lines = Lines()
    let log = Log(level: .info, format: .text, component: "test") { lines.add($0) }
    var kafka = broker.settings()
    kafka.set("group.id", "group")
    var settings = ConsumerSettings(
      topic: broker.topic, outputPath: folder.path + "/" + Scratch.output, csvPath: folder.path + "/" + Scratch.csv,
      kafka: kafka)
    settings.embeddedCluster = cluster
    settings.untilIdle = idle
    change(&settings)
    try ConsumerService(settings, log: log, events: ConsumerEvents(log: log), stop: StopFlag()).run()
    return lines.all
  }

  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
  }
}
