// swift-tools-version: 6.0
import PackageDescription

// A package of its own: what only measures has no place among the program's targets.
let package = Package(
  name: "benchmarks",
  dependencies: [.package(name: "image-pipeline", path: "..")],
  targets: [
    .executableTarget(name: "bench-codecs", dependencies: [.product(name: "Wire", package: "image-pipeline")])
  ],
  swiftLanguageModes: [.v6]
)
