internal import CBase64

/// Base64 of RFC 4648, section 4: the standard alphabet, padded, no line breaks.
///
/// Written by hand because it is on the hot path between two existing buffers: the encoder writes straight into the
/// envelope that librdkafka will own, and the decoder reads straight out of the message. Vector instructions process as
/// much as they can; tables process the rest (1 to 2 GB/s).
public enum Base64 {
  /// The instructions to use. All of them give the same bytes.
  public enum Path: CaseIterable, Sendable {
    case portable, neon, avx2

    /// Whether this processor has the instructions.
    public var isAvailable: Bool { cbase64_can(native) == 1 }

    /// The fastest path that this processor supports.
    public static let best = allCases.last { $0.isAvailable } ?? .portable

    fileprivate var native: cbase64_path {
      switch self {
      case .portable: cbase64_portable
      case .neon: cbase64_neon
      case .avx2: cbase64_avx2
      }
    }
  }

  /// The number of characters that `count` bytes become.
  public static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

  /// The largest number of bytes that `count` characters can stand for. `decode` returns the exact number.
  public static func decodedCapacity(_ count: Int) -> Int { count / 4 * 3 }

  /// Encodes `source` into `target`, which must have room for `encodedCount(source.count)` characters. Returns the
  /// number of characters written.
  @discardableResult
  public static func encode(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, by path: Path = .best
  ) -> Int {
    guard var input = source.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    let done = cbase64_encode(
      path.native, input, source.count, target.assumingMemoryBound(to: UInt8.self))
    input += done
    let pairs = Tables.shared.pairs
    var output = target + done / 3 * 4
    var left = source.count - done
    while left >= 3 {
      let triple = Int(input[0]) << 16 | Int(input[1]) << 8 | Int(input[2])
      let characters = UInt32(pairs[triple >> 12]) | UInt32(pairs[triple & 0xFFF]) << 16
      output.storeBytes(of: characters.littleEndian, as: UInt32.self)
      input += 3
      output += 4
      left -= 3
    }
    if left > 0 {
      let second = left == 2 ? input[1] : 0
      let head = Int(input[0]) << 4 | Int(second) >> 4
      let tail = (Int(second) & 0xF) << 8
      var characters = UInt32(pairs[head]) | UInt32(pairs[tail]) << 16
      characters = characters & 0x00FF_FFFF | UInt32(padding) << 24
      if left == 1 { characters = characters & 0xFF00_FFFF | UInt32(padding) << 16 }
      output.storeBytes(of: characters.littleEndian, as: UInt32.self)
      output += 4
    }
    return output - target
  }

  /// Decodes `source` into `target`, which must have room for `decodedCapacity(source.count)` bytes. Returns the number
  /// of bytes written, or nil if `source` is not strict Base64: a character outside the alphabet, white space, a length
  /// that is not a multiple of four, missing or misplaced padding, or non-zero bits after the last byte.
  public static func decode(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, by path: Path = .best
  ) -> Int? {
    guard source.count % 4 == 0 else { return nil }
    guard source.count > 0, var input = source.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    let values = Tables.shared.values
    let (first, second, third, fourth) = (values, values + 256, values + 512, values + 768)
    let output = target.assumingMemoryBound(to: UInt8.self)
    let done = cbase64_decode(path.native, input, source.count, output)
    input += done
    var written = done / 4 * 3
    // The last four characters may contain padding, so they are decoded separately.
    for _ in 0..<((source.count - done) / 4 - 1) {
      let bits = first[Int(input[0])] | second[Int(input[1])] | third[Int(input[2])] | fourth[Int(input[3])]
      if bits & Tables.foreign != 0 { return nil }
      output[written] = UInt8(truncatingIfNeeded: bits >> 16)
      output[written + 1] = UInt8(truncatingIfNeeded: bits >> 8)
      output[written + 2] = UInt8(truncatingIfNeeded: bits)
      input += 4
      written += 3
    }
    let pads = input[3] != padding ? 0 : input[2] != padding ? 1 : 2
    var bits = first[Int(input[0])] | second[Int(input[1])]
    if pads < 2 { bits |= third[Int(input[2])] }
    if pads < 1 { bits |= fourth[Int(input[3])] }
    let unused: UInt32 = pads == 0 ? 0 : pads == 1 ? 0xFF : 0xFFFF
    if bits & (Tables.foreign | unused) != 0 { return nil }
    output[written] = UInt8(truncatingIfNeeded: bits >> 16)
    if pads < 2 { output[written + 1] = UInt8(truncatingIfNeeded: bits >> 8) }
    if pads < 1 { output[written + 2] = UInt8(truncatingIfNeeded: bits) }
    return written + 3 - pads
  }

  private static let padding = UInt8(ascii: "=")

  /// Lookup tables, built once and never freed. Encoding looks up 12 bits at a time (8 KB). Decoding looks up one
  /// character at a time (four tables of 1 KB, each with its values already shifted into position). All of them fit
  /// into the first-level cache.
  private struct Tables: @unchecked Sendable {
    static let shared = Tables()
    static let foreign: UInt32 = 0x8000_0000

    let pairs: UnsafePointer<UInt16>
    let values: UnsafePointer<UInt32>

    init() {
      let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
      let pairs = UnsafeMutablePointer<UInt16>.allocate(capacity: 4096)
      for index in 0..<4096 {
        pairs[index] = UInt16(alphabet[index >> 6]) | UInt16(alphabet[index & 63]) << 8
      }
      let values = UnsafeMutablePointer<UInt32>.allocate(capacity: 1024)
      values.initialize(repeating: Tables.foreign, count: 1024)
      for (value, character) in alphabet.enumerated() {
        for place in 0..<4 {
          values[place * 256 + Int(character)] = UInt32(value) << UInt32(18 - 6 * place)
        }
      }
      self.pairs = UnsafePointer(pairs)
      self.values = UnsafePointer(values)
    }
  }
}
