import FoundationEssentials
import Platform
import TestSupport
import Testing

/// By each path that this processor has, which must agree; nil where they refuse. The memory behind the room is checked to be
/// untouched.
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
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func theVectorsOfTheRFCHold(plain: String, encoded: String) {
    #expect(encode(Array(plain.utf8)) == encoded)
    #expect(decode(encoded) == Array(plain.utf8))
  }

  @Test func everyLengthAgreesWithAnIndependentCodec() {
    var numbers = SeededNumbers(seed: 1)
    for count in 0...1_000 {
      let bytes = numbers.bytes(count)
      let reference = Data(bytes).base64EncodedString()
      let offset = Int.random(in: 0...63, using: &numbers)
      #expect(encode(bytes, offset: offset) == reference)
      #expect(decode(Array(reference.utf8), offset: offset) == bytes)
    }
  }

  @Test func everyByteValueIsCarriedAtEveryPlace() {
    for byte in UInt8.min...UInt8.max {
      for place in 0..<3 {
        var bytes: [UInt8] = [0, 0, 0]
        bytes[place] = byte
        #expect(decode(encode(bytes)) == bytes)
      }
    }
  }

  @Test func randomBytesComeBack() {
    var numbers = SeededNumbers(seed: 2)
    for _ in 0..<300 {
      let bytes = numbers.bytes(Int.random(in: 0...3_000, using: &numbers))
      #expect(decode(encode(bytes)) == bytes)
    }
  }

  @Test func thisProcessorsPathIsTheWidestThatItHas() {
    #expect(Base64.Path.portable.isAvailable)
    #expect(Base64.Path.best.isAvailable)
    #if arch(arm64)
      #expect(Base64.Path.best == .neon)
    #elseif arch(x86_64)
      #expect(!Base64.Path.neon.isAvailable)
    #endif
  }

  @Test func aByteOutsideTheAlphabetIsRefusedWhereverItStands() {
    let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
      for place in 0..<12 {
        var characters = Array("QUJDQUJDQUJD".utf8)
        characters[place] = byte
        // At the very end a padding character is one, and leaves bits of "J" behind that are not zero, or not.
        if byte == UInt8(ascii: "="), place == 11 { continue }
        #expect(decode(characters) == nil, "byte \(byte) at \(place)")
      }
    }
  }

  /// In the midst of what is taken many characters at a time.
  @Test func aByteOutsideTheAlphabetIsRefusedAmongMany() {
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

  @Test(arguments: ["QUJD\n", "QUJD\r\n", "QU JD", " QUJD", "QUJDRUZH\n", "QUJD\nRUZH===", "QUJD\u{0}RUZ"])
  func whiteSpaceIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test(arguments: ["-_-_", "ab-c", "abc_", "ab_="])
  func theURLSafeAlphabetIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test(arguments: ["Q", "QU", "QUJ", "QUJDR", "QUJDRU", "QUJDRUZ", "=", "==", "==="])
  func aLengthThatIsNoMultipleOfFourIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test(arguments: [
    "====", "Q===", "=QUJ", "Q=UJ", "QU=D", "QQ==QUJD", "QUI=QUJD", "QUJD====", "=UJD", "QQ=Q", "=AA=", "A=A=",
  ])
  func paddingThatIsMisplacedIsRefused(text: String) { #expect(decode(text) == nil) }

  @Test func bitsBehindTheLastByteMustBeZero() {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for (value, character) in alphabet.enumerated() {
      #expect((decode("Q\(character)==") != nil) == (value % 16 == 0), "Q\(character)==")
      #expect((decode("QU\(character)=") != nil) == (value % 4 == 0), "QU\(character)=")
    }
  }

  @Test func whatIsAcceptedIsWhatTheEncoderWrites() {
    // Strictness in one sentence: no two texts stand for the same bytes.
    var numbers = SeededNumbers(seed: 3)
    let characters = Array("ABCQgw0189+/=-_ \n".utf8)
    for _ in 0..<8_000 {
      let text = (0..<4 * Int.random(in: 1...2, using: &numbers)).map { _ in characters.randomElement(using: &numbers)!
      }
      if let bytes = decode(text) { #expect(encode(bytes) == String(decoding: text, as: UTF8.self)) }
    }
  }
}
