import Synchronization
import TestSupport

@testable import Configuration
@testable import Consumer
@testable import Platform
@testable import Telemetry

/// A consumer in the test's process, for a setting without an environment variable: that two embedded clusters are the
/// same.
enum LocalConsumer {
  /// Stores everything and ends. Returns its log.
  @discardableResult
  static func storeAll(
    in folder: TestFolder, _ broker: Broker, cluster: String = "the same", idle: Duration = .milliseconds(300),
    _ change: (inout ConsumerSettings) -> Void = { _ in }
  ) throws -> [LogEntry] {
    let lines = LogLines()
    let log = lines.log(level: .info)
    var kafka = broker.settings()
    kafka.set("group.id", "group")
    var settings = ConsumerSettings(
      topic: broker.topic, outputPath: folder.path + "/" + TestFolder.output,
      csvPath: folder.path + "/" + TestFolder.csv,
      kafka: kafka)
    settings.embeddedCluster = cluster
    settings.untilIdle = idle
    change(&settings)
    try ConsumerService(settings, log: log, events: ConsumerEvents(log: log), stop: StopFlag()).run()
    return lines.entries
  }
}
