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
  /// Reads objects, all at the same time, and computes their hashes. What is cut off is read again.
  /// - Returns: nil for an object that does not exist.
  /// - Throws: `S3Error`; `Interruption` if `stop` was set.
  func read(_ keys: [String], stop: StopFlag) throws -> [ReadObject?] {
    var read: [Int: ReadObject?] = [:]
    var retry = Backoff(from: .milliseconds(100), to: .seconds(5))
    for attempt in 1... {
      let open = keys.indices.filter { read[$0] == nil }
      var failure: S3Error?
      for (index, result) in zip(open, attemptToRead(open.map { keys[$0] })) {
        do throws(S3Error) { read[index] = .some(try result.get()) } catch {
          guard error.disposition.mayPass, attempt < readAttempts else { throw error }
          failure = error
        }
      }
      if failure == nil { break }
      _ = stop.wait(for: retry.failed())
      try stop.check("not everything was read")
    }
    return keys.indices.map { read[$0]! }
  }

  private func attemptToRead(_ keys: [String]) -> [Result<ReadObject?, S3Error>] {
    let sums = keys.map { _ in Sum() }
    let requests = zip(keys, sums).map { key, sum in
      var request = S3Request.get(key)
      request.sink = { sum.add($0) }
      return request
    }
    return zip(perform(requests), sums).map { answer, sum in
      answer.map { $0.status == 404 ? nil : sum.finish(ImageObject($0)) }
    }
  }
}

private let readAttempts = 6

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
