internal import CSHA256

/// Something that has bytes, which are valid during a call.
package protocol ByteOwner {
  func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T
}

extension SHA256 {
  /// The digests of several messages, computed two at a time.
  package static func hashes(of messages: [some ByteOwner]) -> [Digest] {
    stride(from: 0, to: messages.count, by: 2).flatMap { index in
      messages[index].withBytes { bytes in
        guard index + 1 < messages.count else { return [hash(bytes)] }
        let (digest, next) = messages[index + 1].withBytes { hash(bytes, $0) }
        return [digest, next]
      }
    }
  }

  /// The digests of two messages, computed at the same time. That takes little longer than the longer one alone: 3.2
  /// GB/s where libcrypto reaches 1.8.
  package static func hash(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> (Digest, Digest) {
    guard canPair else { return (hash(first), hash(second)) }
    return pair(first, second)
  }

  /// Whether this processor can, and agrees with libcrypto. If it computed another hash, producer and consumer would agree
  /// on it.
  static let canPair: Bool = {
    guard csha256_can_pair() == 1 else { return false }
    let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    return bytes.withUnsafeBytes { all in
      let short = UnsafeRawBufferPointer(rebasing: all[..<119])
      return pair(all, short) == (hash(all), hash(short)) && pair(short, all) == (hash(short), hash(all))
    }
  }()

  private static func pair(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> (Digest, Digest) {
    withUnsafeTemporaryAllocation(byteCount: 2 * Digest.byteCount, alignment: 8) { digests in
      csha256_pair(
        first.baseAddress?.assumingMemoryBound(to: UInt8.self), first.count,
        second.baseAddress?.assumingMemoryBound(to: UInt8.self), second.count,
        digests.baseAddress?.assumingMemoryBound(to: UInt8.self))
      return (
        Digest(exactly: UnsafeRawBufferPointer(rebasing: digests[..<Digest.byteCount])),
        Digest(exactly: UnsafeRawBufferPointer(rebasing: digests[Digest.byteCount...]))
      )
    }
  }
}
