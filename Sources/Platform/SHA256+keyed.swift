internal import CCrypto

extension SHA256 {
  /// HMAC-SHA-256 (RFC 2104): a hash that only the owner of the key can compute.
  package static func hash(_ bytes: UnsafeRawBufferPointer, key: [UInt8]) -> Digest {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.byteCount) { output in
      var count: UInt32 = 0
      let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      let result = HMAC(
        EVP_sha256(), key, CInt(key.count), start, bytes.count, output.baseAddress, &count)
      precondition(result != nil && count == Digest.byteCount, "libcrypto cannot hash: out of memory")
      return Digest(exactly: UnsafeRawBufferPointer(output))
    }
  }
}
