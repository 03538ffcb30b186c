import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import Wire

/// Hostile values: each is read or refused, and nothing else happens.
@Suite struct EnvelopeFuzzTests {
  private static let whole = Array(
    #" {"x": [1, {"y": "\u00e9\\"}], "image_name": "c\u0061t\/\ud83d\udc08.jpg", "z": -1.5e3, "image_content": "Zm9v\/w=="}"#
      .utf8)

  @Test("a value truncated at any byte is refused") func truncatedValueIsRefused() throws {
    #expect(try readEnvelope(Self.whole).name == "cat/🐈.jpg")
    for count in 0..<Self.whole.count {
      #expect(throws: EnvelopeError.self, "cut to \(count) bytes") { try readEnvelope(Array(Self.whole.prefix(count))) }
    }
  }

  @Test("a value without its first bytes is refused") func beheadedValueIsRefused() {
    for count in 2..<Self.whole.count {
      #expect(throws: EnvelopeError.self, "\(count) bytes cut") { try readEnvelope(Array(Self.whole.dropFirst(count))) }
    }
  }

  @Test("no mutation crashes the reader") func mutationsDoNotCrash() {
    var numbers = SeededNumbers(seed: 4)
    let favourites = Array(#""\{}[]:,u09dD8 "#.utf8) + [0x00, 0xFF, 0xC3]
    var accepted = 0
    for _ in 0..<8_000 {
      var value = Self.whole
      for _ in 0..<Int.random(in: 1...4, using: &numbers) {
        let place = Int.random(in: 0..<value.count, using: &numbers)
        switch Int.random(in: 0..<4, using: &numbers) {
        case 0: value[place] = UInt8.random(in: 0...255, using: &numbers)
        case 1: value[place] = favourites.randomElement(using: &numbers)!
        case 2: value.insert(favourites.randomElement(using: &numbers)!, at: place)
        default: value.remove(at: place)
        }
      }
      if (try? readEnvelope(value)) != nil { accepted += 1 }
    }
    #expect(accepted > 0)
  }

  @Test("random bytes are refused") func randomBytesAreRefused() {
    var numbers = SeededNumbers(seed: 5)
    for _ in 0..<2_000 {
      let bytes = numbers.bytes(Int.random(in: 0...64, using: &numbers))
      #expect(throws: EnvelopeError.self) { try readEnvelope([UInt8(ascii: "{")] + bytes) }
    }
  }

  /// PHP escapes each slash, and an attacker could escape much more.
  @Test("many escapes cost no more time than their length") func escapesCostLinearTime() throws {
    let escapes = 1_000_000
    let value = Array(
      (#"{"image_name":"a","image_content":""# + String(repeating: #"\/"#, count: escapes) + "\"}").utf8)
    let begun = ContinuousClock.now
    let read = try value.withUnsafeBytes { try EnvelopeReader.read($0).base64.count }
    #expect(read == escapes)
    // Searching for the end again at each escape would read a terabyte, in 16 s or more. The bound is far from both.
    let limit = Duration.seconds(getenv("TEST_SANITIZER") == nil ? 5 : 50)
    #expect(ContinuousClock.now - begun < limit)
  }
}
