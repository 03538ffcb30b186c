/// Base64 with Swift's own SIMD types, which have no byte shuffle: the C functions are compared with it. It encodes 48
/// bytes at a time, and the rest one by one.
enum SIMDEncoder {
  static func encode(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
    var (input, output) = (0, 0)
    // One byte more is read than is used.
    while input + 49 <= source.count {
      let base = source.baseAddress! + input
      @inline(__always) func triple(_ lane: Int) -> UInt32 {
        (base + 3 * lane).loadUnaligned(as: UInt32.self).byteSwapped
      }
      let triples = SIMD16<UInt32>(
        triple(0), triple(1), triple(2), triple(3), triple(4), triple(5), triple(6), triple(7), triple(8), triple(9),
        triple(10), triple(11), triple(12), triple(13), triple(14), triple(15))
      // From the top, 6 bits each go into a byte. The first one is lowest in memory.
      let values =
        (triples &>> 26) & 0x3F | (triples &>> 12) & 0x3F00 | (triples &<< 2) & 0x3F_0000 | (triples &<< 16)
        & 0x3F00_0000
      target.storeBytes(of: characters(values), toByteOffset: output, as: SIMD16<UInt32>.self)
      (input, output) = (input + 48, output + 64)
    }
    while input < source.count {
      let left = source.count - input
      let bits =
        UInt32(source[input]) << 16 | (left > 1 ? UInt32(source[input + 1]) << 8 : 0)
        | (left > 2 ? UInt32(source[input + 2]) : 0)
      for place in 0..<4 {
        let character = characters(SIMD16(repeating: bits >> UInt32(18 - 6 * place) & 0x3F))[0]
        target.storeBytes(
          of: place > left ? UInt8(ascii: "=") : UInt8(truncatingIfNeeded: character), toByteOffset: output + place,
          as: UInt8.self)
      }
      (input, output) = (input + 3, output + 4)
    }
  }

  /// Turns four values of 0 to 63 in each lane, one per byte, into characters, with sums alone: a comparison is the bit
  /// that a sum carries into the top of its byte.
  @inline(__always) private static func characters(_ values: SIMD16<UInt32>) -> SIMD16<UInt32> {
    @inline(__always) func atLeast(_ bound: UInt32) -> SIMD16<UInt32> {
      ((values &+ SIMD16(repeating: (128 - bound) &* 0x0101_0101)) &>> 7) & 0x0101_0101
    }
    return values &+ 0x4141_4141 &+ atLeast(26) &* 6 &- atLeast(52) &* 75 &- atLeast(62) &* 15 &+ atLeast(63) &* 3
  }
}
