// swift-tools-version: 6.0
import PackageDescription

// No package from outside: `swift build` needs no network. The C libraries are the distribution's own.
let package = Package(
  name: "image-pipeline",
  products: [
    .executable(name: "image-pipeline", targets: ["image-pipeline"]),
    .executable(name: "integration-test", targets: ["integration-test"]),
    // For the package Fuzz.
    .library(name: "ImagePipeline", targets: ["ImagePipeline", "Platform"]),
  ],
  targets: [
    .systemLibrary(name: "Crdkafka", path: "Sources/C/Crdkafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
    .systemLibrary(name: "CSQLite", path: "Sources/C/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CCrypto", path: "Sources/C/CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CEvent", path: "Sources/C/CEvent", pkgConfig: "libevent_extra", providers: [.apt(["libevent-dev"])]),
    .systemLibrary(name: "CSystem", path: "Sources/C/CSystem"),
    .target(name: "Kafka", dependencies: ["Crdkafka", "Platform"]),
    .target(name: "SQLite", dependencies: ["CSQLite"]),
    .target(name: "CBase64", path: "Sources/C/CBase64"),
    .target(name: "Platform", dependencies: ["CBase64", "CCrypto", "CSystem"]),
    .target(name: "Telemetry", dependencies: ["CEvent", "Platform"]),
    .target(
      name: "ImagePipeline", dependencies: ["Kafka", "SQLite", "Platform", "Telemetry"], path: "Sources",
      sources: ["Wire", "Configuration", "Output", "Cluster", "DeadLetters", "Producer", "Consumer", "Doctor"]),
    .executableTarget(name: "image-pipeline", dependencies: ["ImagePipeline", "Kafka", "Platform", "Telemetry"]),
    // Judges the pipeline from outside, so it knows nothing of its code but how to reach Kafka and files.
    .executableTarget(name: "integration-test", dependencies: ["Kafka", "Platform"]),
    // What `make bench-codecs` runs; no product.
    .executableTarget(name: "bench-codecs", dependencies: ["ImagePipeline", "Platform"]),
    // A process that tests start; no product.
    .executableTarget(name: "EmbeddedBroker", dependencies: ["Kafka", "Platform"], path: "Tests/EmbeddedBroker"),
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .testTarget(name: "KafkaTests", dependencies: ["Kafka", "Platform"]),
    .testTarget(name: "SQLiteTests", dependencies: ["SQLite"]),
    .testTarget(name: "PlatformTests", dependencies: ["Platform", "TestSupport"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"]),
    .testTarget(
      name: "ImagePipelineTests",
      dependencies: ["ImagePipeline", "Kafka", "Platform", "SQLite", "Telemetry", "TestSupport"]),
    .testTarget(
      name: "ProgramTests",
      dependencies: [
        "ImagePipeline", "Kafka", "Platform", "SQLite", "Telemetry", "TestSupport", "image-pipeline",
        "integration-test",
        "EmbeddedBroker",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
