package import Platform
import Wire

extension Digest {
  /// SHA-256 of a file, read a piece at a time.
  package static func ofFile(_ path: String) throws -> Digest { try File.open(path, .read).digest() }
}

extension File {
  private static let pieceSize = 256 << 10
  /// A preview, a colour profile and more may precede an image's size in pixels.
  private static let probedSize = 1 << 20

  /// SHA-256 of the whole file, read a piece at a time.
  /// - Throws: `Heartbeat.GivenUp` if the work is to stop.
  func digest(_ heart: Heartbeat? = nil) throws -> Digest {
    var hash = SHA256()
    try eachPiece {
      hash.update($0)
      try heart?.beat()
    }
    return hash.finish()
  }

  /// - Parameter body: called with the file's bytes in order, one piece at a time.
  func eachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var place = 0
    try withUnsafeTemporaryAllocation(byteCount: Self.pieceSize, alignment: 64) { buffer in
      while true {
        let count = try read(into: buffer, at: place)
        if count == 0 { return }
        try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        place += count
      }
    }
  }

  /// The format and the size in pixels, as far as the file's first bytes show them.
  func probe() throws -> ImageProbe {
    try withUnsafeTemporaryAllocation(byteCount: Self.probedSize, alignment: 64) { buffer in
      let count = try read(into: buffer, at: 0)
      return ImageProbe(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}
