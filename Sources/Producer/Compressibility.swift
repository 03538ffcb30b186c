/// Whether a general compressor could make an image smaller. It cannot if JPEG, PNG, WebP or the like has compressed it
/// already.
///
/// The bytes decide, not the format, because TIFF and raw formats may be compressed or not. The check counts how often
/// two of a few samples are the same byte. In random bytes, one pair in 256 is. The check takes about 0.3 µs;
/// compressing in vain takes 2 µs and more.
enum Compressibility {
  /// The samples: `pieces` pieces, evenly spread, of `pieceBytes` bytes each.
  private static let (pieces, pieceBytes) = (4, 128)
  /// Below this size, in bytes, the envelope's own words are a large part of a message, and compress well.
  private static let least = 2_048

  /// - Parameter image: all of it, or a large piece.
  static func isWorthwhile(_ image: UnsafeRawBufferPointer) -> Bool {
    guard image.count >= least else { return true }
    return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
      counts.update(repeating: 0)
      // The very start is left out, because the header is there.
      let step = image.count / (pieces + 1)
      for piece in 1...pieces {
        let start = min(piece * step, image.count - pieceBytes)
        for index in start..<(start + pieceBytes) { counts[Int(image[index])] += 1 }
      }
      var pairs = 0
      for count in counts { pairs += Int(count) * (Int(count) - 1) }
      let samples = pieces * pieceBytes
      // More than 1.5 times as many pairs as in random bytes, whose number varies by about 5% by chance.
      return pairs * 256 * 2 > samples * (samples - 1) * 3
    }
  }
}
