package import Configuration
package import Output
package import Platform
import S3
package import Telemetry
package import Wire

/// An output in a bucket, opened by one consumer. All that it needs on its host is a scratch folder, which can be lost.
package struct BucketOutput {
  package let store: ImageStore
  package let state: BucketState
  /// Removed when the consumer ends.
  private let scratch: TemporaryFolder
  private let client: S3Client

  /// - Throws: `S3Error` if the store does not answer, or refuses; `UnsuitableStore` if it ignores conditions.
  package init(
    _ settings: BucketSettings, sameName: SameName, log: Log, stop: StopFlag,
    letters: (_ scratch: Folder) throws -> any DeadLetterSink
  ) throws {
    client = S3Client(settings.store)
    let layout = BucketLayout(settings.address)
    try StoreProbe(client, layout).check()
    let id = try Self.identity(client, layout)
    scratch = try TemporaryFolder()
    let folder = try Folder.open(scratch.path)
    var made: BucketState?
    let client = client
    store = try ImageStore(
      scratch: folder, id: id, log: log, stop: stop, letters: try letters(folder)
    ) { catalog, segments in
      let state = BucketState(client, layout, catalog)
      made = state
      return BucketPlace(state, catalog, segments)
    }
    state = made!
    store.place.sameName = sameName
  }

  /// Ends the connections, and removes the scratch folder.
  package func close() {
    client.close()
    scratch.remove()
  }

  /// The identity of the output, created by the first consumer.
  static func identity(_ client: any S3Requests, _ layout: BucketLayout) throws -> String {
    while true {
      if let known = try knownIdentity(client, layout) { return known }
      let made = String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16)
      let body = Array((made + "\n").utf8)
      _ = try client.perform(
        .put(
          layout.identity, .bytes(body), digest: body.withUnsafeBytes { SHA256.hash($0) }, type: "text/plain",
          if: .isAbsent))
    }
  }

  /// The identity of the output; nil if there is none yet.
  static func knownIdentity(_ client: any S3Requests, _ layout: BucketLayout) throws -> String? {
    let found = try client.perform(.get(layout.identity))
    if found.status == 404 { return nil }
    let id = String(decoding: found.body, as: UTF8.self).filter { !$0.isWhitespace }
    guard !id.isEmpty else { throw DamagedLog(key: layout.identity, reason: "it is empty") }
    return id
  }
}
