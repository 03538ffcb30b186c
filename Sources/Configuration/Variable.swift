import Platform
import Telemetry

/// An environment variable that configures the pipeline: the one list that `--help` prints and the reader reads.
package struct Variable: Sendable {
  package let name: String
  package let defaultValue: String
  /// One sentence or two, without line breaks.
  package let help: String

  package struct Group: Sendable {
    package let title: String
    package let variables: [Variable]
  }

  private init(_ name: String, _ defaultValue: String, _ help: String) {
    self.name = name
    self.defaultValue = defaultValue
    self.help = help
  }

  package static let groups = [
    Group(
      title: "Kafka",
      variables: [
        Variable("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092", "Brokers to ask first: host:port, separated by commas."),
        Variable(
          "TOPIC", "custom-image-topic", "The topic that images travel through. It is made where there is none."),
        Variable(
          "TOPIC_PARTITIONS", "-1",
          "Partitions of a topic that is made: at most so many consumers share the work. -1: the broker's default."),
        Variable(
          "TOPIC_REPLICATION_FACTOR", "-1",
          "Brokers that each message of a topic that is made lies on. -1: the broker's default."),
        Variable(
          "TOPIC_RETENTION_MS", "",
          "Milliseconds that a topic that is made keeps its messages, at least as long as a consumer may be away. -1: for ever; "
            + "empty: the broker's default."),
        Variable(
          "TOPIC_RETENTION_BYTES", "",
          "Bytes of messages that each partition of a topic that is made keeps. -1: no limit; empty: the broker's default."
        ),
        Variable(
          "CONSUMER_GROUP", "custom_img_consumer_group", "The group that the consumers of one output belong to."),
        Variable(
          "KAFKA_COMPRESSION_TYPE", "snappy",
          "none, gzip, snappy, lz4 or zstd. zstd takes back what Base64 adds, for a second of CPU a GB."),
        Variable(
          "KAFKA_LINGER_MS", "500",
          "Milliseconds that a batch waits to be filled at most. Where no further file is there, it goes at once."),
        Variable("KAFKA_BATCH_SIZE", "1000000", "Bytes of one batch at most; a single larger message still goes."),
      ]),
    Group(
      title: "Producer",
      variables: [
        Variable("IMAGES_DIR", "images", "The folder that is sent and watched, with its sub-folders."),
        Variable(
          "IMAGE_EXTENSIONS", "jpg,jpeg,jpe,jfif,png,gif,bmp,tif,tiff,webp,avif,heic,heif,jxl",
          "Files that count as images, by extension in any case. *: every file."),
        Variable(
          "IMAGE_EXCLUDE", "",
          "Files and folders that are left alone: glob patterns separated by commas, as in .gitignore. A pattern without / "
            + "matches a name at any depth (*_small.jpg), one with / the path below IMAGES_DIR (raw/2024/**); a / at the end "
            + "means folders alone (raw/). Case counts."),
        Variable(
          "NAME_PREFIX", "",
          "Put before the name of every image, such as camera-1/: images of the same name from several producers then stay "
            + "apart. The label is the first folder of the whole name."),
        Variable(
          "SETTLE_MS", "1000",
          "Milliseconds that a file must not change before a scan takes it, and before it is moved or deleted. A file that its writer "
            + "closes, or moves in, while the producer watches is sent at once."),
        Variable(
          "RESCAN_MS", "10000",
          "Milliseconds between two scans: how late a file may be seen where the file system delivers no events."),
        Variable(
          "AFTER_SENT", "keep",
          "What becomes of a file once the broker has all of it and no program writes to it: keep, move or delete."),
        Variable(
          "SENT_DIR", "IMAGES_DIR/.sent", "Where AFTER_SENT=move takes files: a folder on the same file system."),
        Variable("STATE_DIR", ".image-pipeline", "The folder of the ledger, which knows what was sent."),
        Variable(
          "SEGMENT_BYTES", "720000",
          "A larger image travels as several messages, each with so many bytes of it."),
        Variable(
          "WIRE_FORMAT", "base64",
          "base64: JSON, which any tool can read. binary: the image as it is, a quarter fewer bytes; other readers than this "
            + "consumer must know it. Both may be in one topic."),
        Variable("IN_FLIGHT_BYTES", "8388608", "Bytes of messages that wait for the broker at most: memory."),
      ]),
    Group(
      title: "Consumer",
      variables: [
        Variable(
          "PROCESSED_IMAGES_DIR", "processed_images",
          "The folder that images are stored in; the catalog, which knows what was stored, lies in it."),
        Variable("CSV_PATH", "processed_image_data.csv", "The CSV file, with a row for each stored image."),
        Variable(
          "SAME_NAME", "replace",
          "What happens to an image whose name another image has. replace: it replaces that image. keep-both: it is stored "
            + "next to it, with a part of its hash in its name: 001~0a1b2c3d.jpg."),
        Variable("BATCH_IMAGES", "1024", "Messages that are made durable together at most."),
        Variable(
          "BATCH_BYTES", "16777216", "Bytes of messages that are made durable together at most: memory."),
        Variable(
          "SEGMENT_TIMEOUT", "3600",
          "Seconds that an image may wait for its next segment at the topic's end before it goes to the dead letters."),
      ]),
    Group(
      title: "Health and metrics",
      variables: [
        Variable(
          "HTTP_PORT", "0", "Answers /healthz, /readyz and /metrics (Prometheus) at this port. 0: at none."),
        Variable("HTTP_ADDRESS", "0.0.0.0", "The address that is listened at; 127.0.0.1: for this machine alone."),
      ]),
    Group(
      title: "Log",
      variables: [
        Variable("LOG_LEVEL", "info", "trace, debug, info, warning or error."),
        Variable("LOG_FORMAT", "text", "text, or json: one object a line."),
        Variable("PROGRESS_SECONDS", "5", "Seconds between two lines of progress where there is no terminal. 0: none."),
      ]),
  ]

  static let all: [String: Variable] = Dictionary(
    uniqueKeysWithValues: groups.flatMap(\.variables).map { ($0.name, $0) })
}
