import Glibc

/// Random numbers that are the same for the same seed (SplitMix64), so that what fails once fails again.
package struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// - Parameter name: a sequence of its own for each name, independent of how many numbers the others take.
  package init(seed: UInt64, _ name: String) {
    state = name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// Numbers for one test. Their seed is printed, so that a failure can be repeated: `TEST_SEED=n`.
  package static func printed(_ test: String = #function) -> SeededNumbers {
    let seed = getenv("TEST_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 1...999_999)
    print("TEST_SEED=\(seed) \(test)")
    return SeededNumbers(seed: seed, test)
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  package mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// True with this probability, in percent.
  package mutating func percent(_ chance: Int) -> Bool { number(0...99) < chance }

  /// Bytes that nothing can compress.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      var rest = count
      while rest > 0 {
        withUnsafeBytes(of: next()) { word in
          for byte in word.prefix(rest) {
            buffer.initializeElement(at: count - rest, to: byte)
            rest -= 1
          }
        }
      }
      initialized = count
    }
  }

  package static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var numbers = SeededNumbers(seed: seed)
    return numbers.bytes(count)
  }
}
