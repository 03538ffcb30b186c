import Cluster
import Telemetry

extension Commands {
  /// Lists the newest messages: one line each, on stdout.
  func messages() throws -> Int32 {
    var configuration = configuration
    configuration.consumer.kafka.onLog = kafkaLog
    let newest = NewestMessages(configuration, log: log, stop: stop)
    guard let messages = try newest.list(options.count ?? 10) else {
      if !isJSON {
        print(
          "there is no topic \(configuration.consumer.topic): correct TOPIC, or start the producer, which creates it")
      }
      return stop.isSet ? 1 : 0
    }
    for fields in messages { print(isJSON ? Fields.json(fields) : Fields.text(fields)) }
    if messages.isEmpty, !isJSON { print("no messages in \(configuration.consumer.topic)") }
    return stop.isSet ? 1 : 0
  }
}
