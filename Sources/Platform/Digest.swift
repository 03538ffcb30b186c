/// A SHA-256 digest: 32 bytes, stored in four words so that it needs no allocation.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  public static let byteCount = 32

  private let words: (UInt64, UInt64, UInt64, UInt64)

  /// - Returns: nil unless there are exactly 32 bytes.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self = withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { buffer in
      buffer.copyBytes(from: bytes)
      return Digest(exactly: UnsafeRawBufferPointer(buffer))
    }
  }

  /// - Returns: nil unless there are exactly 64 hexadecimal digits, in upper or lower case.
  public init?(hex: String) {
    let digits = hex.utf8
    guard digits.count == 2 * Self.byteCount else { return nil }
    let digest = withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { buffer -> Digest? in
      var index = digits.startIndex
      for place in 0..<Self.byteCount {
        var byte: UInt8 = 0
        for _ in 0..<2 {
          guard let value = Self.value(ofDigit: digits[index]) else { return nil }
          byte = byte << 4 | value
          digits.formIndex(after: &index)
        }
        buffer[place] = byte
      }
      return Digest(exactly: UnsafeRawBufferPointer(buffer))
    }
    guard let digest else { return nil }
    self = digest
  }

  init(exactly bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == Self.byteCount)
    func word(_ index: Int) -> UInt64 {
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    }
    words = (word(0), word(1), word(2), word(3))
  }

  public var bytes: [UInt8] {
    Array(unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
      withBytes { _ = buffer.initialize(from: $0) }
      count = Self.byteCount
    }
  }

  private func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian), body)
  }

  /// The digest as 64 lower-case hexadecimal digits.
  public var hex: String {
    var digits: [UInt8] = []
    appendHex(to: &digits)
    return String(decoding: digits, as: UTF8.self)
  }

  /// Appends the digits of `hex`.
  package func appendHex(to text: inout [UInt8]) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
    withBytes { bytes in
      for byte in bytes {
        text.append(digit(byte >> 4))
        text.append(digit(byte & 15))
      }
    }
  }

  public var description: String { hex }

  public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

  public func hash(into hasher: inout Hasher) {
    // The bits of a digest are as good as random: one word distinguishes digests as well as four.
    hasher.combine(words.0)
  }

  private static func value(ofDigit digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
