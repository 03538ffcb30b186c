package import Configuration
package import Output
package import Platform
import S3
package import Wire

/// The objects of a bucket that images were copied from, many read at the same time.
package final class VerifiedInputBucket: VerifiedInput {
  private let client: S3Client
  private let layout: BucketLayout
  private let stop: StopFlag

  /// How many objects are read at the same time.
  private static let together = 64

  package init(_ settings: BucketSettings, stop: StopFlag) {
    client = S3Client(settings.store)
    layout = BucketLayout(settings.address)
    self.stop = stop
  }

  deinit { client.close() }

  /// - Throws: `S3Error`; `Interruption`; what `body` throws.
  package func each(_ filter: FileFilter, _ body: (VerifiedImage) throws -> Void) throws {
    var listing = S3Listing(client, prefix: layout.address.keyStart)
    while let page = try listing.nextPage() {
      let names = page.objects.compactMap { layout.name(ofKey: $0.key) }.filter { Self.accepts($0, filter) }
      for start in stride(from: 0, to: names.count, by: Self.together) {
        try stop.check("not everything was compared")
        let some = Array(names[start..<min(start + Self.together, names.count)])
        for (name, read) in zip(some, try client.read(some.map { layout.image($0) }, stop: stop)) {
          // Removed since it was listed.
          guard let read else { continue }
          try body(VerifiedImage(path: name, digest: read.digest, size: read.size))
        }
      }
    }
  }

  private static func accepts(_ name: String, _ filter: FileFilter) -> Bool {
    // Tools create such a key for an empty folder.
    guard !name.isEmpty, !name.hasSuffix("/") else { return false }
    let slashes = name.utf8.indices.filter { name.utf8[$0] == UInt8(ascii: "/") }
    return filter.accepts(name) && slashes.allSatisfy { filter.enters(String(name[..<$0])) }
  }
}
