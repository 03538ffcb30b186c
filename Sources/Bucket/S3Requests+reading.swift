package import Platform
package import S3

/// An object that was read.
package struct ReadObject: Sendable {
  /// Has its bytes; nil: they were not kept.
  package let file: File?
  package let size: Int
  package let digest: Digest
  /// nil: the object has no ETag.
  package let object: ImageObject?
}

/// Reading of whole objects, with their hashes.
extension S3Requests {
  /// Reads objects at the same time. An object that is cut off is read again.
  /// - Parameters:
  ///   - file: creates a file for an object's bytes; nil: they are not kept.
  ///   - attempts: the most times that an object is read.
  /// - Returns: nil for an object that does not exist.
  /// - Throws: `S3Error`; `SystemError` if a file cannot be written; `Interruption` if `stop` was set.
  package func read(
    _ keys: [String], into file: () throws -> File? = { nil }, attempts: Int = 6, stop: StopFlag
  ) throws -> [ReadObject?] {
    var read: [Int: ReadObject?] = [:]
    var retry = Backoff(from: .milliseconds(100), to: .seconds(5))
    for attempt in 1... {
      let open = keys.indices.filter { read[$0] == nil }
      let bytes = try open.map { _ in ObjectBytes(file: try file()) }
      var isComplete = true
      for (place, answer) in perform(zip(open, bytes).map { Self.request(keys[$0], $1) }).enumerated() {
        do throws(S3Error) {
          let response = try answer.get()
          read[open[place]] = .some(response.status == 404 ? nil : bytes[place].finish(ImageObject(response)))
        } catch {
          if let reason = bytes[place].error { throw reason }
          guard error.disposition.mayPass, attempt < attempts else { throw error }
          isComplete = false
        }
      }
      if isComplete { break }
      _ = stop.wait(for: retry.failed())
      try stop.check("not everything was read")
    }
    return keys.indices.map { read[$0]! }
  }

  private static func request(_ key: String, _ bytes: ObjectBytes) -> S3Request {
    var request = S3Request.get(key)
    request.sink = { bytes.add($0) }
    return request
  }

  /// Reads all objects that are images, some of them at the same time.
  /// - Parameter accepts: which names are read.
  /// - Throws: as `read`; errors of `body`.
  func readImages(
    _ layout: BucketLayout, stop: StopFlag, accepting accepts: (String) -> Bool = { _ in true },
    _ body: (_ name: String, ReadObject) throws -> Void
  ) throws {
    var listing = S3Listing(self, prefix: layout.address.keyStart)
    while let page = try listing.nextPage() {
      let names = page.objects.compactMap { layout.name(ofKey: $0.key) }.filter(accepts)
      for start in stride(from: 0, to: names.count, by: objectsAtOnce) {
        try stop.check("not everything was compared")
        let some = Array(names[start..<min(start + objectsAtOnce, names.count)])
        for (name, object) in zip(some, try read(some.map { layout.image($0) }, stop: stop)) {
          // Otherwise it was removed since it was listed.
          if let object { try body(name, object) }
        }
      }
    }
  }
}

/// How many objects are read at the same time.
let objectsAtOnce = 64
