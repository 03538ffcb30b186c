import Cluster
import Kafka
import Platform
import SQLite
import Telemetry

/// Reports the versions in use: the first thing that anybody who is asked for help wants to know.
struct VersionCheck {
  /// librdkafka's version, as the library reports it: `2.0.2`, `2.6.1-RC1`.
  var client = KafkaSettings.version

  func findings() -> [Finding] {
    [
      .ok(
        "versions",
        "image-pipeline \(Product.version), librdkafka \(client), SQLite \(Database.libraryVersion), "
          + "OpenSSL \(SHA256.libraryVersion), libevent \(HTTPServer.libraryVersion), Linux \(HostIdentity.kernelRelease)"
      )
    ] + [doubt].compactMap { $0 }
  }

  /// A note about versions of librdkafka that serve the pipeline less well, according to its change log; nil if there
  /// is none.
  private var doubt: Finding? {
    let version = LibraryVersion(client)
    let update = "update librdkafka1 with the system's package manager"
    if version < "1.9.0" {
      return .note(
        "client_version",
        "librdkafka \(client): a producer of this age may lose images while brokers restart (fixed in 1.9.0)", update)
    }
    if version < "2.0.2" {
      return .note(
        "client_version", "librdkafka \(client) is older than 2.0.2, with which the pipeline is tested", update)
    }
    if version >= "2.5.0", version < "2.5.3" {
      return .note(
        "client_version",
        "librdkafka \(client) ends the process if the broker asks for metrics that it does not have (fixed in 2.5.3)",
        "\(update), or set KAFKA_ENABLE_METRICS_PUSH=false")
    }
    if version >= "2.6.0", version < "2.6.1" {
      return .note(
        "client_version", "librdkafka \(client) cannot read from brokers older than 2.7 (fixed in 2.6.1)", update)
    }
    return nil
  }
}
