package import Configuration
package import Output
package import Platform
import S3
package import Wire

/// The objects of a bucket that images were copied from, many read at the same time.
package final class VerifiedInputBucket: VerifiedInput {
  private let client: S3Client
  private let layout: BucketLayout
  /// The beginning of the keys of the output's objects; nil: they are in another bucket.
  private let outputStart: String?
  private let stop: StopFlag

  /// - Parameter output: what the images are compared with. It may be inside of the input.
  package init(_ settings: BucketSettings, output: BucketAddress?, stop: StopFlag) {
    client = S3Client(settings.store)
    layout = BucketLayout(settings.address)
    let mayBeInside = output?.bucket == settings.address.bucket && output != settings.address
    outputStart = mayBeInside ? output?.keyStart : nil
    self.stop = stop
  }

  deinit { client.close() }

  /// - Throws: `S3Error`; `Interruption`; what `body` throws.
  package func each(_ filter: FileFilter, _ body: (VerifiedImage) throws -> Void) throws {
    func accepts(_ name: String) -> Bool { Self.accepts(name, filter) && !isInOutput(name) }
    try client.readImages(layout, stop: stop, accepting: accepts) { name, read in
      try body(VerifiedImage(path: name, digest: read.digest, size: read.size))
    }
  }

  private func isInOutput(_ name: String) -> Bool {
    outputStart.map { layout.image(name).utf8.starts(with: $0.utf8) } ?? false
  }

  private static func accepts(_ name: String, _ filter: FileFilter) -> Bool {
    // Tools create such a key for an empty folder.
    guard !name.isEmpty, !name.hasSuffix("/") else { return false }
    let slashes = name.utf8.indices.filter { name.utf8[$0] == UInt8(ascii: "/") }
    return filter.accepts(name) && slashes.allSatisfy { filter.enters(String(name[..<$0])) }
  }
}
