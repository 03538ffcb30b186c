import Kafka
import Platform

/// The folders, the CSV file, the topic and the group of the pipeline under test. They come from the same variables
/// that configure the pipeline.
struct Settings {
  let images: String
  let output: String
  let csv: String
  let topic: String
  let group: String
  let kafka: KafkaSettings
  /// How long nothing may happen before the test stops waiting.
  let patience: Duration

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
    self.patience = .seconds(patience)
    var kafka = KafkaSettings()
    kafka.set("bootstrap.servers", value("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"))
    kafka.set("client.id", "integration-test")
    kafka.set("group.id", group)
    self.kafka = kafka
  }

  /// The folder of the test's own files, inside the input folder: the pipeline ignores folders whose names begin with a
  /// dot.
  var notes: String { images + "/.integration-test" }
}

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
