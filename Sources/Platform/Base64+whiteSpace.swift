extension Base64 {
  /// Line ends, spaces and tabs: the characters with which tools wrap Base64 text, such as MIME and Python's
  /// `encodebytes`.
  @inline(__always)
  public static func isWhiteSpace(_ character: UInt8) -> Bool {
    character == 0x0A || character == 0x0D || character == 0x20 || character == 0x09
  }

  /// Decodes text that may contain white space anywhere; otherwise as strict as ``decode(_:to:by:)``. It is slower, so
  /// use it only for text that the strict decoder has refused.
  ///
  /// - Parameter target: has room for `decodedCapacity(source.count)` bytes.
  /// - Returns: the number of bytes written; nil if the text is not Base64 even without its white space.
  public static func decodeSkippingWhiteSpace(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, by path: Path = .best
  ) -> Int? {
    // The block holds whole groups of four and fits into the first-level cache.
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
