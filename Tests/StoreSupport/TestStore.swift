import Glibc
import Platform
package import S3
package import Testing

/// A bucket of a real store, and a prefix of a test's own in it.
///
/// `S3_TEST_ENDPOINTS` has the addresses of stores, separated by spaces. They have the bucket `S3_TEST_BUCKET`, and
/// accept the keys `S3_TEST_KEYS`, an access key and a secret key with a colon in between.
package struct TestStore: Sendable, CustomTestStringConvertible {
  package let endpoint: String

  private static func value(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }

  /// All stores that there are. Without any, tests of stores do not run.
  package static let all = value("S3_TEST_ENDPOINTS").split(separator: " ").map { TestStore(endpoint: String($0)) }
  package static var bucket: String { value("S3_TEST_BUCKET") }
  package static var keys: S3Credentials {
    let parts = value("S3_TEST_KEYS").split(separator: ":", maxSplits: 1).map { String($0) }
    return S3Credentials(accessKey: parts.first ?? "", secretKey: parts.last ?? "")
  }

  package var testDescription: String { endpoint }

  package func settings(through address: String? = nil) -> S3Settings {
    var settings = S3Settings(
      bucket: Self.bucket, endpoint: S3Endpoint(address ?? endpoint)!, region: "us-east-1", identity: .keys(Self.keys))
    settings.firstDelay = .milliseconds(5)
    return settings
  }

  /// Calls `body` with a client and a prefix that no other test uses. What is stored there is removed afterwards.
  package func with<T>(through address: String? = nil, _ body: (S3Client, _ prefix: String) throws -> T) throws -> T {
    let client = S3Client(settings(through: address))
    defer { client.close() }
    let prefix = "test-\(UInt64.random(in: 1 << 60...UInt64.max))"
    defer { try? remove(prefix) }
    return try body(client, prefix)
  }

  private func remove(_ prefix: String) throws {
    let client = S3Client(settings())
    defer { client.close() }
    var listing = S3Listing(client, prefix: prefix + "/")
    while let page = try listing.nextPage() { _ = client.perform(page.objects.map { .delete($0.key) }) }
  }
}

extension Trait where Self == ConditionTrait {
  /// Runs a test only if there are stores.
  package static var onStores: Self {
    .enabled(if: !TestStore.all.isEmpty, "S3_TEST_ENDPOINTS has no address of an S3 store")
  }
}
