extension Base64 {
  /// Line ends, spaces and tabs: what tools put into Base64 text that they wrap, as MIME and Python's `encodebytes` do.
  @inline(__always)
  public static func isWhiteSpace(_ character: UInt8) -> Bool {
    character == 0x0A || character == 0x0D || character == 0x20 || character == 0x09
  }

  /// Decodes text that may hold white space anywhere; otherwise as strict as ``decode(_:to:by:)``. Slower than that one: it is
  /// for text that the strict decoder has refused.
  ///
  /// - Parameter target: has room for `decodedCapacity(source.count)` bytes.
  /// - Returns: how many bytes were written; nil if the text is not Base64 without its white space either.
  public static func decodeSkippingWhiteSpace(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, by path: Path = .best
  ) -> Int? {
    // Whole groups of four, in the first-level cache.
    withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { block in
      var filled = 0
      var written = 0
      for character in source where !isWhiteSpace(character) {
        if filled == block.count {
          // More text follows, so this block must not end in padding.
          guard decode(UnsafeRawBufferPointer(block), to: target + written, by: path) == filled / 4 * 3 else {
            return nil
          }
          written += filled / 4 * 3
          filled = 0
        }
        block[filled] = character
        filled += 1
      }
      return decode(UnsafeRawBufferPointer(rebasing: block[..<filled]), to: target + written, by: path)
        .map { written + $0 }
    }
  }
}
