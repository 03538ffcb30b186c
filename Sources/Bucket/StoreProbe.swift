import Platform
package import S3
import Wire

/// Tries whether a store does what an output needs: conditions of writes, and the check of the bytes that arrive. A store
/// that ignores conditions would let two consumers store the same messages.
package struct StoreProbe {
  private let client: any S3Requests
  private let key: String

  package struct Trial: Sendable {
    package let what: String
    package let works: Bool
  }

  package init(_ client: any S3Requests, _ layout: BucketLayout) {
    self.client = client
    key = layout.probe(String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16))
  }

  /// Creates an object, tries to change it against conditions, and removes it.
  /// - Throws: `S3Error` if the store does not answer, or if a right is missing.
  package func run() throws -> [Trial] {
    func put(_ text: String, if condition: S3Request.Condition) throws -> Int {
      let bytes = Array(text.utf8)
      var request = S3Request.put(
        key, .bytes(bytes), digest: bytes.withUnsafeBytes { SHA256.hash($0) }, if: condition)
      // Some stores refuse such a condition in their own way.
      request.accepted.formUnion([404, 501])
      return try client.perform(request).status
    }
    _ = try put("1", if: .isAbsent)
    let created = try put("2", if: .isAbsent)
    let replaced = try put("3", if: .isVersion("0123456789abcdef0123456789abcdef"))
    let found = try client.perform(.get(key))
    let isChecked = try refusesAlteredBytes()
    var listing = S3Listing(client, prefix: key)
    let isListed = try listing.all().map(\.key) == [key]
    _ = try client.perform(.delete(key))
    return [
      Trial(what: "If-None-Match: an object that exists is not created", works: created == 412),
      Trial(what: "If-Match: an object that has changed is not replaced", works: replaced == 412),
      Trial(what: "an object is read as it was written", works: found.body == Array("1".utf8)),
      Trial(what: "an object is listed when it is written", works: isListed),
      Trial(what: "bytes that were altered on their way are refused", works: isChecked),
    ]
  }

  private func refusesAlteredBytes() throws -> Bool {
    var request = S3Request.put(
      key, .bytes(Array("4".utf8)), digest: Array("other".utf8).withUnsafeBytes { SHA256.hash($0) })
    request.accepted = [400]
    return try client.perform(request).status == 400
  }

  /// - Throws: `UnsuitableStore` if the store lacks something.
  package func check() throws {
    let missing = try run().filter { !$0.works }.map(\.what)
    if !missing.isEmpty { throw UnsuitableStore(missing: missing) }
  }
}

/// A store that ignores what an output depends on.
package struct UnsuitableStore: Error, CustomStringConvertible {
  let missing: [String]
  package var description: String {
    "the store cannot be an output, because consumers could lose or double images: it does not keep to "
      + missing.map { "\"\($0)\"" }.joined(separator: ", ") + ". docs/bucket.md lists stores that do"
  }
}
