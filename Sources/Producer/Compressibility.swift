/// Whether a general compressor could make an image smaller. What JPEG, PNG, WebP and the like have compressed, it cannot.
///
/// Told by the bytes, not by the format: TIFF and raw formats are either. Of a few samples it is counted how often two of them are
/// the same byte, which of random bytes one pair in 256 is: some 0.3 µs, where compressing in vain takes 2 µs and more.
enum Compressibility {
  /// Bytes that are looked at: so many pieces, evenly spread, of so many bytes.
  private static let (pieces, pieceBytes) = (4, 128)
  /// Below this, in bytes, the envelope's own words are much of a message, and compress well.
  private static let least = 2_048

  /// - Parameter image: all of it, or a large piece.
  static func isWorthwhile(_ image: UnsafeRawBufferPointer) -> Bool {
    guard image.count >= least else { return true }
    return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
      counts.update(repeating: 0)
      // Not at the very start: there is the header.
      let step = image.count / (pieces + 1)
      for piece in 1...pieces {
        let start = min(piece * step, image.count - pieceBytes)
        for index in start..<(start + pieceBytes) { counts[Int(image[index])] += 1 }
      }
      var pairs = 0
      for count in counts { pairs += Int(count) * (Int(count) - 1) }
      let samples = pieces * pieceBytes
      // Half as many again as of random bytes, from which chance strays by a twentieth.
      return pairs * 256 * 2 > samples * (samples - 1) * 3
    }
  }
}
