// swift-tools-version: 6.0
import PackageDescription

// A package of its own: what it is built with (coverage, AddressSanitizer, `@testable`) must not reach the program.
// scripts/fuzz.sh knows the flags.
let package = Package(
  name: "fuzz",
  dependencies: [.package(name: "image-pipeline", path: "..")],
  targets: [
    .executableTarget(name: "fuzz", dependencies: [.product(name: "Wire", package: "image-pipeline")])
  ],
  swiftLanguageModes: [.v6]
)
