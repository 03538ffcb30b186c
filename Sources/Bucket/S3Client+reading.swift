import Platform
import S3
import Synchronization

/// An object that was read.
struct ReadObject {
  let digest: Digest
  let size: Int
  /// nil: the object has no ETag.
  let object: ImageObject?
}

extension S3Client {
  /// Reads objects, all at the same time, and computes their hashes.
  /// - Returns: nil for an object that does not exist.
  func read(_ keys: [String]) throws -> [ReadObject?] {
    let sums = keys.map { _ in Sum() }
    let requests = zip(keys, sums).map { key, sum in
      var request = S3Request.get(key)
      request.sink = { sum.add($0) }
      return request
    }
    return try zip(perform(requests), sums).map { answer, sum in
      let response = try answer.get()
      return response.status == 404 ? nil : sum.finish(ImageObject(response))
    }
  }
}

private final class Sum: Sendable {
  private let state = Mutex((hash: SHA256(), size: 0))

  func add(_ bytes: UnsafeRawBufferPointer) -> Bool {
    state.withLock {
      $0.hash.update(bytes)
      $0.size += bytes.count
    }
    return true
  }

  func finish(_ object: ImageObject?) -> ReadObject {
    state.withLock { ReadObject(digest: $0.hash.finish(), size: $0.size, object: object) }
  }
}
