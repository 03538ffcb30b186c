package import Configuration
package import Output
package import Platform
import S3
import Wire

/// The images of an output in a bucket. Its rows are copied from the log into a catalog.
package final class BucketFiles: StoredFiles {
  package let path: String
  package var catalogFolder: String { mirror.folder }
  package let csvPath: String? = nil
  private let client: S3Client
  private let layout: BucketLayout
  private let mirror: BucketMirror
  private let stop: StopFlag
  /// Whether consumers use the output. Nothing in the bucket shows that.
  package var isConsumed: () throws -> Bool = { true }

  /// The objects as they were when they were first asked for.
  private lazy var listed = Result { try BucketListing(client, layout, stop: stop) }
  private var nextRefresh = MonotonicClock.now

  private static let refreshInterval = Duration.milliseconds(500)

  /// Copies the log. The state is that of this moment.
  /// - Returns: nil if the bucket has no output.
  /// - Throws: `S3Error` if the store does not answer, or refuses; `Interruption`.
  package init?(_ settings: BucketSettings, stop: StopFlag) throws {
    client = S3Client(settings.store)
    layout = BucketLayout(settings.address)
    path = settings.address.description
    self.stop = stop
    guard let mirror = try BucketMirror(client, layout) else {
      client.close()
      return nil
    }
    self.mirror = mirror
    try mirror.fill(stop: stop)
  }

  /// Ends the connections, and removes the copy.
  package func close() {
    if let listing = try? listed.get() { listing.close() }
    mirror.close()
    client.close()
  }

  package func look(at name: String, _ entry: Catalog.Entry?, now: Bool) throws -> StoredFileLook? {
    guard now else { return try listed.get().size(of: name).map { StoredFileLook(size: $0, isUnchanged: true) } }
    let response = try client.perform(.head(layout.image(name)))
    guard let object = ImageObject(response), let size = response.length else { return nil }
    return StoredFileLook(size: size, isUnchanged: entry.map { $0.digest == object.version?.digest })
  }

  package func digest(of name: String) throws -> Digest? {
    try client.read([layout.image(name)], stop: stop)[0]?.digest
  }

  package func eachName(_ body: (String) throws -> Void) throws { try listed.get().eachName(body) }

  package func hasConsumers() throws -> Bool { try isConsumed() }

  package func refresh() throws {
    guard .now >= nextRefresh else { return }
    nextRefresh = .now + Self.refreshInterval
    try mirror.follow()
  }

  package func missingRows() -> [String] { mirror.gaps.map(\.description) }
}
