// swift-tools-version: 6.0
import PackageDescription

/// API for other targets is `package`. An import does not re-export what it imports.
let settings: [SwiftSetting] = [.enableUpcomingFeature("InternalImportsByDefault")]

func layer(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ layer: String, _ others: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: layer + "Tests", dependencies: [.byName(name: layer), "TestSupport"] + others, swiftSettings: settings)
}

// No package from outside: `swift build` needs no network. The C libraries are the distribution's own.
//
// The layers: a target may use what it names here, and nothing else. Each C library is imported by one target.
let package = Package(
  name: "image-pipeline",
  products: [
    .executable(name: "image-pipeline", targets: ["image-pipeline"]),
    .executable(name: "integration-test", targets: ["integration-test"]),
    // Used by the packages Fuzz and Benchmarks.
    .library(name: "Wire", targets: ["Wire", "Output", "Messaging", "Platform", "Telemetry"]),
  ],
  targets: [
    .systemLibrary(
      name: "Crdkafka", path: "Sources/C/Crdkafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
    .systemLibrary(
      name: "CSQLite", path: "Sources/C/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
      name: "CCrypto", path: "Sources/C/CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CEvent", path: "Sources/C/CEvent", pkgConfig: "libevent_extra", providers: [.apt(["libevent-dev"])]),
    .systemLibrary(
      name: "CCurl", path: "Sources/C/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(
      name: "CExpat", path: "Sources/C/CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
    .systemLibrary(name: "CSystem", path: "Sources/C/CSystem"),
    .target(name: "CBase64", path: "Sources/C/CBase64"),
    .target(name: "CSHA256", path: "Sources/C/CSHA256"),

    // A topic's messages, as seen by code that knows no broker.
    layer("Messaging"),
    // Files, threads, time, processes.
    layer("Platform", ["CBase64", "CCrypto", "CSHA256", "CSystem"]),
    layer("SQLite", ["CSQLite", "Platform"]),
    // The Kafka client, knowing nothing of images.
    layer("Kafka", ["Crdkafka", "Messaging", "Platform"]),
    // Log, metrics, health, progress, the HTTP server.
    layer("Telemetry", ["CEvent", "Platform"]),
    // The message format: envelope, headers, segments, image names.
    layer("Wire", ["Messaging", "Platform"]),
    // A client of S3 buckets, knowing nothing of images.
    layer("S3", ["CCurl", "CExpat", "Platform", "Wire"]),
    // Environment variables, and settings as plain values.
    layer("Configuration", ["Kafka", "Platform", "S3", "Telemetry", "Wire"]),
    // The stored data: images, catalog, CSV file. Knows no Kafka.
    layer("Output", ["Messaging", "Platform", "SQLite", "Telemetry", "Wire"]),
    // The same, with the images and their log in an S3 bucket.
    layer("Bucket", ["Configuration", "Messaging", "Output", "Platform", "S3", "SQLite", "Telemetry", "Wire"]),
    // Connecting to a cluster, creating a topic, handling Kafka's errors.
    layer("Cluster", ["Configuration", "Kafka", "Messaging", "Platform", "Telemetry", "Wire"]),
    // Dead letters, messages that cannot be stored: sending, listing, replay.
    layer(
      "DeadLetters", ["Cluster", "Configuration", "Kafka", "Messaging", "Output", "Platform", "Telemetry", "Wire"]),
    // Folder → topic.
    layer("Producer", ["Cluster", "Configuration", "Kafka", "Messaging", "Platform", "SQLite", "Telemetry", "Wire"]),
    // Topic → output.
    layer(
      "Consumer",
      [
        "Bucket", "Cluster", "Configuration", "DeadLetters", "Kafka", "Messaging", "Output", "Platform", "S3", "SQLite",
        "Telemetry", "Wire",
      ]),
    // Compares what was sent with what is stored, without reading an image.
    layer(
      "Audit",
      [
        "Bucket", "Cluster", "Configuration", "DeadLetters", "Kafka", "Output", "Platform", "Producer", "Telemetry",
        "Wire",
      ]),
    // What a person looks at: the server of the page, and the page itself.
    .target(
      name: "Page",
      dependencies: [
        "Bucket", "Cluster", "Configuration", "DeadLetters", "Output", "Platform", "Producer", "S3", "Telemetry",
        "Wire",
      ],
      resources: [.embedInCode("Resources")], swiftSettings: settings),
    // Checks of everything, so it depends on all other layers.
    layer(
      "Doctor",
      [
        "Bucket", "Cluster", "Configuration", "Consumer", "DeadLetters", "Kafka", "Messaging", "Output", "Platform",
        "Producer", "S3", "SQLite", "Telemetry", "Wire",
      ]),

    .executableTarget(
      name: "image-pipeline",
      dependencies: [
        "Audit", "Bucket", "Cluster", "Configuration", "Consumer", "DeadLetters", "Doctor", "Kafka", "Output", "Page",
        "Platform", "Producer", "S3", "Telemetry", "Wire",
      ], swiftSettings: settings),
    // Tests the pipeline from outside. It uses the pipeline's code only to reach Kafka and files.
    .executableTarget(name: "integration-test", dependencies: ["Kafka", "Platform"], swiftSettings: settings),

    // A process that tests start. It is not a product.
    .executableTarget(
      name: "EmbeddedBroker", dependencies: ["Kafka", "Platform"], path: "Tests/EmbeddedBroker", swiftSettings: settings
    ),
    .target(
      name: "TestSupport", dependencies: ["Platform", "Telemetry", "Wire"], path: "Tests/TestSupport",
      swiftSettings: settings),
    // Messages and dead letters without a broker.
    .target(
      name: "OutputSupport", dependencies: ["Messaging", "Output", "Platform", "TestSupport", "Wire"],
      path: "Tests/OutputSupport", swiftSettings: settings),
    // Real S3 stores, and a server that fails as they do.
    .target(
      name: "StoreSupport", dependencies: ["Platform", "S3"], path: "Tests/StoreSupport", swiftSettings: settings),
    tests("Platform"),
    tests("SQLite"),
    tests("Kafka", ["Messaging", "Platform"]),
    tests("Telemetry", ["Platform"]),
    tests("Wire", ["Messaging", "Platform"]),
    tests("S3", ["Platform", "StoreSupport"]),
    tests("Configuration", ["Kafka", "Platform", "S3", "Telemetry", "Wire"]),
    tests("Output", ["Messaging", "OutputSupport", "Platform", "SQLite", "Telemetry", "Wire"]),
    tests(
      "Bucket",
      [
        "Configuration", "Messaging", "Output", "OutputSupport", "Platform", "S3", "StoreSupport", "Telemetry", "Wire",
      ]),
    tests("Cluster", ["Configuration", "Kafka", "Platform", "SQLite", "Telemetry", "Wire"]),
    tests("DeadLetters", ["Kafka", "Messaging", "Output", "Platform", "Telemetry", "Wire"]),
    tests("Audit", ["Output"]),
    tests(
      "Page",
      [
        "Bucket", "Configuration", "DeadLetters", "Kafka", "Messaging", "Output", "OutputSupport", "Platform",
        "Producer", "S3", "SQLite", "StoreSupport", "Telemetry", "Wire",
      ]),
    tests("Producer", ["Cluster", "Configuration", "Kafka", "Messaging", "Platform", "SQLite", "Telemetry", "Wire"]),
    tests(
      "Consumer",
      [
        "Cluster", "Configuration", "DeadLetters", "Kafka", "Messaging", "Output", "Platform", "SQLite", "Telemetry",
        "Wire",
      ]),
    tests(
      "Doctor",
      [
        "Cluster", "Configuration", "Consumer", "DeadLetters", "Kafka", "Output", "Platform", "Producer", "SQLite",
        "Telemetry", "Wire",
      ]),
    // Tests of the documents: links, and what they say about variables, metrics, columns and fault points.
    .testTarget(name: "DocumentTests", dependencies: ["Configuration", "Platform"], swiftSettings: settings),
    // Tests that start the programs.
    .testTarget(
      name: "ProgramTests",
      dependencies: [
        "Audit", "Bucket", "Cluster", "Configuration", "Consumer", "DeadLetters", "Doctor", "EmbeddedBroker", "Kafka",
        "Messaging", "Output", "Platform", "Producer", "S3", "SQLite", "StoreSupport", "Telemetry", "TestSupport",
        "Wire", "image-pipeline", "integration-test",
      ], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
