import FoundationEssentials
import TestSupport
import Testing

@testable import Platform

/// Decodes by each path of this processor; all must agree, and nil means refused. Checks that the memory after the
/// buffer is untouched.
private func decode(_ characters: [UInt8], offset: Int = 0) -> [UInt8]? {
  let room = Base64.decodedCapacity(characters.count)
  let results = Base64.Path.allCases.filter(\.isAvailable).map { path -> [UInt8]? in
    var target = [UInt8](repeating: 0xAA, count: offset + room + 80)
    let count = (Array(repeating: 0, count: offset) + characters).withUnsafeBytes { source in
      target.withUnsafeMutableBytes {
        Base64.decode(
          UnsafeRawBufferPointer(rebasing: source[offset...]), to: $0.baseAddress! + offset, by: path)
      }
    }
    #expect(target[(offset + room)...].allSatisfy { $0 == 0xAA }, "\(path) wrote behind the room")
    return count.map { Array(target[offset..<offset + $0]) }
  }
  #expect(results.allSatisfy { $0 == results[0] }, "the paths differ over \(characters)")
  return results[0]
}

private func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

/// The same for the decoder that skips white space.
private func decodeSkippingWhiteSpace(_ characters: [UInt8]) -> [UInt8]? {
  let room = Base64.decodedCapacity(characters.count)
  let results = Base64.Path.allCases.filter(\.isAvailable).map { path -> [UInt8]? in
    var target = [UInt8](repeating: 0xAA, count: room + 80)
    let count = characters.withUnsafeBytes { source in
      target.withUnsafeMutableBytes {
        Base64.decodeSkippingWhiteSpace(source, to: $0.baseAddress!, by: path)
      }
    }
    #expect(target[room...].allSatisfy { $0 == 0xAA }, "\(path) wrote behind the room")
    return count.map { Array(target[..<$0]) }
  }
  #expect(results.allSatisfy { $0 == results[0] }, "the paths differ")
  return results[0]
}

private func encode(_ bytes: [UInt8], offset: Int = 0) -> String {
  let room = Base64.encodedCount(bytes.count)
  let results = Base64.Path.allCases.filter(\.isAvailable).map { path -> [UInt8] in
    var target = [UInt8](repeating: 0xAA, count: offset + room + 80)
    let count = (Array(repeating: 0, count: offset) + bytes).withUnsafeBytes { source in
      target.withUnsafeMutableBytes {
        Base64.encode(
          UnsafeRawBufferPointer(rebasing: source[offset...]), to: $0.baseAddress! + offset, by: path)
      }
    }
    #expect(count == room)
    #expect(target[(offset + room)...].allSatisfy { $0 == 0xAA }, "\(path) wrote behind the room")
    return Array(target[offset..<offset + room])
  }
  #expect(results.allSatisfy { $0 == results[0] }, "the paths differ over \(bytes)")
  return String(decoding: results[0], as: UTF8.self)
}

@Suite struct Base64Tests {
  @Test(
    "the vectors of RFC 4648 hold",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ])
  func rfcVectorsHold(plain: String, encoded: String) {
    #expect(encode(Array(plain.utf8)) == encoded)
    #expect(decode(encoded) == Array(plain.utf8))
  }

  @Test("every length agrees with an independent codec") func everyLengthIsRight() {
    var numbers = SeededNumbers(seed: 1)
    for count in 0...1_000 {
      let bytes = numbers.bytes(count)
      let reference = Data(bytes).base64EncodedString()
      let offset = Int.random(in: 0...63, using: &numbers)
      #expect(encode(bytes, offset: offset) == reference)
      #expect(decode(Array(reference.utf8), offset: offset) == bytes)
    }
  }

  @Test("every byte value is carried at every position") func everyByteValueIsCarried() {
    for byte in UInt8.min...UInt8.max {
      for place in 0..<3 {
        var bytes: [UInt8] = [0, 0, 0]
        bytes[place] = byte
        #expect(decode(encode(bytes)) == bytes)
      }
    }
  }

  @Test("random bytes come back") func randomBytesComeBack() {
    var numbers = SeededNumbers(seed: 2)
    for _ in 0..<300 {
      let bytes = numbers.bytes(Int.random(in: 0...3_000, using: &numbers))
      #expect(decode(encode(bytes)) == bytes)
    }
  }

  @Test("the widest path of this processor is used") func widestPathIsUsed() {
    #expect(Base64.Path.portable.isAvailable)
    #expect(Base64.Path.best.isAvailable)
    #if arch(arm64)
      #expect(Base64.Path.best == .neon)
    #elseif arch(x86_64)
      #expect(!Base64.Path.neon.isAvailable)
    #endif
  }

  @Test("a byte outside the alphabet is refused at every position") func foreignByteIsRefused() {
    let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
      for place in 0..<12 {
        var characters = Array("QUJDQUJDQUJD".utf8)
        characters[place] = byte
        // At the end, a padding character is valid or leaves bits of "J" that are not zero.
        if byte == UInt8(ascii: "="), place == 11 { continue }
        #expect(decode(characters) == nil, "byte \(byte) at \(place)")
      }
    }
  }

  /// Inside a block that is decoded many characters at a time.
  @Test("a byte outside the alphabet is refused inside a wide block") func foreignByteInBlockIsRefused() {
    let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let sound = Array(String(repeating: "QUJD", count: 50).utf8)
    for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
      for place in [0, 31, 32, 63, 64, 100, 111, 112, 190] {
        var characters = sound
        characters[place] = byte
        #expect(decode(characters) == nil, "byte \(byte) at \(place)")
      }
    }
    for byte in alphabet {
      for place in [0, 31, 32, 63, 64, 100] {
        var characters = sound
        characters[place] = byte
        #expect(decode(characters)?.count == 150, "byte \(byte) at \(place)")
      }
    }
  }

  @Test(
    "white space is refused by default",
    arguments: ["QUJD\n", "QUJD\r\n", "QU JD", " QUJD", "QUJDRUZH\n", "QUJD\nRUZH===", "QUJD\u{0}RUZ"])
  func whiteSpaceIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test("white space is skipped on request", arguments: [0, 1, 75, 76, 77, 1_000, 12_288, 12_289, 40_000])
  func whiteSpaceIsSkipped(count: Int) throws {
    var numbers = SeededNumbers(seed: UInt64(count))
    let bytes = numbers.bytes(count)
    let text = Array(encode(bytes).utf8)
    // Lines of 76 characters, as Python's encodebytes writes them, and every kind of white space at any position.
    var lines: [UInt8] = []
    var strewn: [UInt8] = []
    for (place, character) in text.enumerated() {
      lines += place % 76 == 75 ? [character, 0x0A] : [character]
      strewn.append(character)
      while Int.random(in: 0...9, using: &numbers) == 0 {
        strewn.append([0x20, 0x09, 0x0D, 0x0A].randomElement(using: &numbers)!)
      }
    }
    for spaced in [text, lines, lines + [0x0A], strewn, [0x20, 0x0D, 0x0A] + text + [0x09, 0x0A, 0x0A]] {
      #expect(decodeSkippingWhiteSpace(spaced) == bytes)
    }
  }

  @Test(
    "skipping white space makes nothing else acceptable",
    arguments: [
      "QU JD=", "QUI=\nQUJD", "Q\nU\nJ", "=\n", "QUJD\u{0B}", "QUJD\u{0}", "QU-D", "QUJ", "QR==\n", "====\n", "Q\n===",
    ])
  func onlyWhiteSpaceIsSkipped(text: String) { #expect(decodeSkippingWhiteSpace(Array(text.utf8)) == nil) }

  /// Padding could hide where the skipping decoder passes on what it has gathered.
  @Test("padding inside a long text is refused at every position")
  func paddingInTheMiddleIsRefused() {
    let sound = Array(String(repeating: "QUJD", count: 10_000).utf8)
    for place in [3, 16_379, 16_383, 16_387, 32_767, 39_995] {
      var text = sound
      text[place] = UInt8(ascii: "=")
      text[place - 1] = UInt8(ascii: "I")
      #expect(decodeSkippingWhiteSpace(text) == nil, "padding at \(place)")
    }
  }

  @Test("the URL-safe alphabet is refused", arguments: ["-_-_", "ab-c", "abc_", "ab_="])
  func urlSafeAlphabetIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test(
    "a length that is no multiple of four is refused",
    arguments: ["Q", "QU", "QUJ", "QUJDR", "QUJDRU", "QUJDRUZ", "=", "==", "==="])
  func oddLengthIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test(
    "misplaced padding is refused",
    arguments: [
      "====", "Q===", "=QUJ", "Q=UJ", "QU=D", "QQ==QUJD", "QUI=QUJD", "QUJD====", "=UJD", "QQ=Q", "=AA=", "A=A=",
    ])
  func misplacedPaddingIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test("bits after the last byte must be zero") func trailingBitsMustBeZero() {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for (value, character) in alphabet.enumerated() {
      #expect((decode("Q\(character)==") != nil) == (value % 16 == 0), "Q\(character)==")
      #expect((decode("QU\(character)=") != nil) == (value % 4 == 0), "QU\(character)=")
    }
  }

  @Test("only text that the encoder would write is accepted") func onlyCanonicalTextIsAccepted() {
    // Strictness: no two texts stand for the same bytes.
    var numbers = SeededNumbers(seed: 3)
    let characters = Array("ABCQgw0189+/=-_ \n".utf8)
    for _ in 0..<8_000 {
      let text = (0..<4 * Int.random(in: 1...2, using: &numbers)).map { _ in characters.randomElement(using: &numbers)!
      }
      if let bytes = decode(text) { #expect(encode(bytes) == String(decoding: text, as: UTF8.self)) }
    }
  }
}
