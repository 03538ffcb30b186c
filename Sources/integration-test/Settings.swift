import Kafka
import Platform

/// Where the pipeline under test has its ends: the variables are the ones that it is configured by itself.
struct Settings {
  let images: String
  let output: String
  let csv: String
  let topic: String
  let group: String
  let kafka: KafkaSettings
  /// How long nothing may happen before the test gives up, in ms.
  let patience: Int

  init(_ environment: [String: String]) throws {
    func value(_ name: String, _ other: String) -> String {
      // As the pipeline reads them.
      let given = SettingText.unquoted(environment[name] ?? "")
      return given.isEmpty ? other : given
    }
    images = value("IMAGES_DIR", "images")
    output = value("PROCESSED_IMAGES_DIR", "processed_images")
    csv = value("CSV_PATH", "processed_image_data.csv")
    topic = value("TOPIC", "custom-image-topic")
    group = value("CONSUMER_GROUP", "custom_img_consumer_group")
    let seconds = value("TEST_PATIENCE", "90")
    guard let patience = Int(seconds), patience > 0 else {
      throw Failure("TEST_PATIENCE=\(seconds) cannot be used: use a whole number of seconds above 0")
    }
    self.patience = patience * 1_000
    var kafka = KafkaSettings()
    kafka.set("bootstrap.servers", value("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    kafka.set("client.id", "integration-test")
    kafka.set("group.id", group)
    self.kafka = kafka
  }

  /// What the test keeps for itself, among the images: the pipeline leaves dot-folders alone.
  var notes: String { images + "/.integration-test" }
}

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
