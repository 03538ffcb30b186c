import Platform
import Telemetry

/// An environment variable that configures the pipeline. The list is the one for both `--help` and `EnvironmentReader`.
package struct Variable: Sendable {
  package let name: String
  package let defaultValue: String
  /// One or two sentences, without line breaks.
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
        Variable(
          "KAFKA_BOOTSTRAP_SERVERS", "localhost:9092",
          "Brokers to contact first: host:port, separated by commas."),
        Variable(
          "TOPIC", "custom-image-topic",
          "Topic that images travel through. It is created if it does not exist."),
        Variable(
          "TOPIC_PARTITIONS", "-1",
          "Partition count used when creating the topic; also the maximum number of active consumers. -1: the broker's default."
        ),
        Variable(
          "TOPIC_REPLICATION_FACTOR", "-1",
          "Replication factor used when creating the topic: how many brokers keep each message. -1: the broker's default."
        ),
        Variable(
          "TOPIC_RETENTION_MS", "",
          "Retention time in milliseconds used when creating the topic. Choose more than the longest time that all consumers "
            + "may be down. -1: forever; empty: the broker's default."),
        Variable(
          "TOPIC_RETENTION_BYTES", "",
          "Retention size in bytes per partition used when creating the topic. -1: unlimited; empty: the broker's default."
        ),
        Variable(
          "CONSUMER_GROUP", "custom_img_consumer_group",
          "Consumer group: the same for all consumers of one output, and another one for each output."),
        Variable(
          "KAFKA_COMPRESSION_TYPE", "snappy",
          "none, gzip, snappy, lz4 or zstd. zstd saves the third that Base64 adds, for a few seconds of CPU per GB."
        ),
        Variable(
          "KAFKA_LINGER_MS", "500",
          "Maximum time in milliseconds that a batch waits for more messages. If no more files are queued, it is sent at once."
        ),
        Variable(
          "KAFKA_BATCH_SIZE", "1000000",
          "Maximum size of a batch in bytes. A single larger message is still sent."),
      ]),
    Group(
      title: "Producer",
      variables: [
        Variable(
          "IMAGES_DIR", "images",
          "Folder to send and watch, with its sub-folders. For verify, a bucket is possible, too: s3://BUCKET/PREFIX."),
        Variable(
          "IMAGE_EXTENSIONS", "jpg,jpeg,jpe,jfif,png,gif,bmp,tif,tiff,webp,avif,heic,heif,jxl",
          "File extensions that count as images, in any case. *: every file."),
        Variable(
          "IMAGE_EXCLUDE", "",
          "Files and folders to leave out: glob patterns separated by commas, as in .gitignore. A pattern without / matches a "
            + "name at any depth (*_small.jpg). A pattern with / matches the path below IMAGES_DIR (raw/2024/**). A / at the end "
            + "matches only folders (raw/). Case counts."),
        Variable(
          "NAME_PREFIX", "",
          "Prefix for the name of every image, such as camera-1/. It keeps images of the same name from several producers "
            + "apart. The label is the first folder of the whole name."),
        Variable(
          "SETTLE_MS", "1000",
          "Milliseconds that a file must not change before a scan takes it, and before it is moved or deleted. A file that its writer "
            + "closes or moves in while the producer watches is sent at once."),
        Variable(
          "RESCAN_MS", "10000",
          "Milliseconds between two scans. Without events from the file system, a file may be noticed that late."),
        Variable(
          "AFTER_SENT", "keep",
          "What happens to a file after its image is stored (see RECEIPTS_NEEDED) and no program writes to it: keep, move or delete."
        ),
        Variable(
          "RECEIPTS_NEEDED", "1",
          "How many outputs have to confirm an image before AFTER_SENT moves or deletes its file. An image that one of them "
            + "lost is sent again. 0: the broker's acknowledgement is enough. Then an image is lost, and its file gone, if the "
            + "topic's retention deletes the message before it is stored."),
        Variable(
          "SENT_DIR", "IMAGES_DIR/.sent",
          "Folder that AFTER_SENT=move moves files to, on the same file system."),
        Variable(
          "STATE_DIR", ".image-pipeline",
          "Folder of the ledger, which records what was sent. Keep it when you replace the producer."),
        Variable(
          "SEGMENT_BYTES", "720000",
          "Maximum bytes of an image in one message. A larger image travels as several messages."),
        Variable(
          "WIRE_FORMAT", "base64",
          "base64: JSON, which any tool can read. binary: the image itself, 25 % smaller; readers other than this "
            + "consumer must support it. Both can be mixed in one topic."),
        Variable(
          "IN_FLIGHT_BYTES", "8388608",
          "Maximum bytes of messages that wait for the broker. They are in memory."),
      ]),
    Group(
      title: "Consumer",
      variables: [
        Variable(
          "PROCESSED_IMAGES_DIR", "processed_images",
          "Folder that images are stored in. It also has the catalog, which records what is stored. Or a bucket for consumers on "
            + "many hosts: s3://BUCKET/PREFIX."),
        Variable(
          "CSV_PATH", "processed_image_data.csv",
          "CSV file with one row for each stored image."),
        Variable(
          "SAME_NAME", "replace",
          "What happens to an image if another image of its name is stored. replace: it replaces that image. keep-both: it is "
            + "stored next to it, with a part of its hash in its name, such as 001~0a1b2c3d.jpg."),
        Variable(
          "BATCH_IMAGES", "2048",
          "Maximum number of messages that one transaction stores."),
        Variable(
          "BATCH_BYTES", "16777216",
          "Maximum bytes of messages in memory. A transaction may store more of them, since messages whose images are in files "
            + "need no memory."),
        Variable(
          "SEGMENT_TIMEOUT", "3600",
          "Seconds to wait at the topic's end for the next segment of an image. After that, its segments become dead letters."
        ),
        Variable(
          "RECEIPTS", "on",
          "on: the consumer confirms each image in the topic TOPIC-receipts once it is durable, also to producers on other hosts. "
            + "off: it confirms nothing."
        ),
      ]),
    Group(
      title: "Bucket",
      variables: [
        Variable(
          "S3_ENDPOINT", "",
          "URL of the S3 store, such as http://seaweedfs:8333. Empty: Amazon S3 in AWS_REGION."),
        Variable(
          "S3_ADDRESSING", "path",
          "path: the bucket is in the path of a URL, as every store understands it. virtual: it is in the name of the host."
        ),
        Variable(
          "S3_CA", "",
          "File of certificates (PEM) to trust in place of the system's."),
        Variable(
          "AWS_REGION", "us-east-1",
          "Region of the bucket. Most stores of other makers accept any."),
        Variable(
          "AWS_ACCESS_KEY_ID", "",
          "Access key. AWS_ACCESS_KEY_ID_FILE is a file with it. Without keys: the web identity or the credentials of a container "
            + "that the platform provides, or AWS_SHARED_CREDENTIALS_FILE."),
        Variable(
          "AWS_SECRET_ACCESS_KEY", "",
          "Secret key. AWS_SECRET_ACCESS_KEY_FILE is a file with it."),
        Variable(
          "AWS_SESSION_TOKEN", "",
          "Token of temporary keys. AWS_SESSION_TOKEN_FILE is a file with it."),
        Variable(
          "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials",
          "File with profiles of keys, as other S3 tools use it."),
        Variable(
          "AWS_PROFILE", "default",
          "Profile in AWS_SHARED_CREDENTIALS_FILE."),
      ]),
    Group(
      title: "Health and metrics",
      variables: [
        Variable(
          "HTTP_PORT", "0",
          "Port for /healthz, /readyz and /metrics (Prometheus). 0: none."),
        Variable(
          "HTTP_ADDRESS", "0.0.0.0",
          "Address to listen on. 127.0.0.1: this machine only, as for the page if this is not set."),
      ]),
    Group(
      title: "Page",
      variables: [
        Variable(
          "PAGE_PORT", "8080",
          "Port of the page with the stored pictures."),
        Variable(
          "PAGE_HOSTS", "",
          "Names under which browsers may reach the page besides localhost, separated by commas, such as "
            + "pictures.example.org. Other names are refused, so that no other site can read the pictures."),
        Variable(
          "PAGE_IMAGES_DIR", "IMAGES_DIR",
          "Folder that the page tells people to put images into. Set it if people know it under another name than the page, "
            + "as outside of a container."),
        Variable(
          "PAGE_SIDES", "",
          "Producers and consumers whose numbers the page shows: host or host:port of each one's HTTP_PORT, separated by "
            + "commas. Without a port: 8080. All addresses of a name count."),
        Variable(
          "PAGE_TOKEN", "",
          "Secret that a person gives the page before it sends dead letters back: 16 characters or more, such as those of openssl rand "
            + "-hex 16. PAGE_TOKEN_FILE is a file with it. Without it, the page changes nothing."),
      ]),
    Group(
      title: "Log",
      variables: [
        Variable(
          "LOG_LEVEL", "info",
          "trace, debug, info, warning or error."),
        Variable(
          "LOG_FORMAT", "text",
          "text, or json with one object per line."),
        Variable(
          "PROGRESS_SECONDS", "5",
          "Seconds between two lines of progress if there is no terminal. 0: none."),
      ]),
  ]

  static let all: [String: Variable] = Dictionary(
    uniqueKeysWithValues: groups.flatMap(\.variables).map { ($0.name, $0) })
}
