import Kafka
import Platform
import SQLite
import Telemetry

/// What runs: what somebody who is asked for help wants to know first.
enum VersionCheck {
  static func findings() -> [Finding] {
    [
      .ok(
        "image-pipeline \(Product.version), librdkafka \(KafkaSettings.version), SQLite \(Database.libraryVersion), "
          + "OpenSSL \(SHA256.libraryVersion), libevent \(HTTPServer.libraryVersion), Linux \(HostIdentity.kernelRelease)"
      )
    ]
  }
}
