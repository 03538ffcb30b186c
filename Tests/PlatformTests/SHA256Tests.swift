import TestSupport
import Testing

@testable import Platform

@Suite struct SHA256Tests {
  private func hash(_ bytes: some Sequence<UInt8>) -> Digest { Array(bytes).withUnsafeBytes { SHA256.hash($0) } }

  // The examples of FIPS 180-4 (NIST, "SHA-256 examples"), and a million times "a".
  @Test(
    "the known vectors hold",
    arguments: [
      ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
  func knownVectorsHold(text: String, times: Int, hex: String) {
    #expect(hash(String(repeating: text, count: times).utf8).hex == hex)
  }

  @Test("pieces give the same digest as the whole", arguments: [1, 3, 63, 64, 65, 1000])
  func piecesEqualTheWhole(size: Int) {
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var incremental = SHA256()
    bytes.withUnsafeBytes { all in
      for start in stride(from: 0, to: all.count, by: size) {
        incremental.update(UnsafeRawBufferPointer(rebasing: all[start..<min(start + size, all.count)]))
      }
      incremental.update(UnsafeRawBufferPointer(start: nil, count: 0))
    }
    #expect(incremental.finish() == hash(bytes))
  }

  @Test("a copy is independent, and a finished hash starts again") func copyIsIndependent() {
    var first = SHA256()
    Array("ab".utf8).withUnsafeBytes { first.update($0) }
    var second = first
    Array("c".utf8).withUnsafeBytes { second.update($0) }
    #expect(first.finish() == hash("ab".utf8))
    #expect(second.finish() == hash("abc".utf8))
    #expect(first.finish() == hash("".utf8))
  }

  @Test("a digest is read from its hex and its bytes only") func digestIsReadStrictly() {
    let digest = hash("abc".utf8)
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased())?.hex == digest.hex)
    #expect(Digest(bytes: digest.bytes) == digest)
    #expect(digest.bytes.count == 32 && digest.bytes.first == 0xBA && digest.bytes.last == 0xAD)
    #expect("\(digest)" == digest.hex)
    #expect(Digest(hex: String(digest.hex.dropLast())) == nil)
    #expect(Digest(hex: digest.hex + "0") == nil)
    #expect(Digest(hex: String(digest.hex.dropLast()) + "g") == nil)
    #expect(Digest(hex: digest.hex + "ü") == nil)
    #expect(Digest(bytes: digest.bytes.dropLast()) == nil)
  }

  @Test("digests that differ in their last bit differ") func lastBitCounts() {
    var bytes = [UInt8](repeating: 0, count: 32)
    let zero = Digest(bytes: bytes)
    bytes[31] = 1
    #expect(Digest(bytes: bytes) != zero)
    #expect(Set([zero, Digest(bytes: bytes), zero]).count == 2)
  }

  // MARK: Two at a time

  /// Processors without the instructions use libcrypto, which would be compared with itself.
  @Test("two messages have the digests that libcrypto gives each of them", .enabled(if: SHA256.canPair))
  func pairsAgreeWithLibcrypto() {
    let bytes = SeededNumbers.bytes(40_000, seed: 7)
    bytes.withUnsafeBytes { all in
      func expectPair(_ first: Range<Int>, _ second: Range<Int>) {
        let (one, other) = (UnsafeRawBufferPointer(rebasing: all[first]), UnsafeRawBufferPointer(rebasing: all[second]))
        #expect(SHA256.hash(one, other) == (SHA256.hash(one), SHA256.hash(other)), "\(first) and \(second)")
      }
      // The padding takes one block or two, and the messages have as many blocks or not.
      for first in 0...130 {
        for second in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 200] { expectPair(0..<first, 7..<7 + second) }
      }
      expectPair(1..<40_000, 3..<40_000)
      expectPair(0..<40_000, 5..<70)
      expectPair(5..<70, 0..<40_000)
    }
  }

  private struct Text: ByteOwner {
    let bytes: [UInt8]
    func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T { try bytes.withUnsafeBytes(body) }
  }

  @Test("any number of messages are hashed, in their order") func anyNumberIsHashed() {
    for count in 0...5 {
      let messages = (0..<count).map { Text(bytes: SeededNumbers.bytes(1_000 * $0, seed: UInt64($0))) }
      #expect(SHA256.hashes(of: messages) == messages.map { hash($0.bytes) })
    }
    #expect(
      SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0), UnsafeRawBufferPointer(start: nil, count: 0)).1
        == hash([]))
  }
}
