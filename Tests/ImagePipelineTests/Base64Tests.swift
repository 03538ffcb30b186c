import FoundationEssentials
import Testing

@testable import ImagePipeline

/// nil where the decoder refuses; the memory behind its room is checked to be untouched.
private func decode(_ characters: [UInt8]) -> [UInt8]? {
  let room = Base64.decodedCapacity(characters.count)
  var target = [UInt8](repeating: 0xAA, count: room + 8)
  let count = characters.withUnsafeBytes { source in
    target.withUnsafeMutableBytes { Base64.decode(source, to: $0.baseAddress!) }
  }
  #expect(target[room...].allSatisfy { $0 == 0xAA }, "written behind the room")
  return count.map { Array(target[..<$0]) }
}

private func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

private func encode(_ bytes: [UInt8]) -> String {
  let room = Base64.encodedCount(bytes.count)
  var target = [UInt8](repeating: 0xAA, count: room + 8)
  let count = bytes.withUnsafeBytes { source in
    target.withUnsafeMutableBytes { Base64.encode(source, to: $0.baseAddress!) }
  }
  #expect(count == room)
  #expect(target[room...].allSatisfy { $0 == 0xAA }, "written behind the room")
  return String(decoding: target[..<room], as: UTF8.self)
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
    for count in 0...200 {
      let bytes = numbers.bytes(count)
      let reference = Data(bytes).base64EncodedString()
      #expect(encode(bytes) == reference)
      #expect(decode(reference) == bytes)
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

  @Test func anAddressNeedNotBeAligned() {
    let text = Array("x" + encode(Array("unaligned".utf8))).map { $0.asciiValue! }
    var target = [UInt8](repeating: 0, count: 10)
    let count = text.withUnsafeBytes { source in
      target.withUnsafeMutableBytes {
        Base64.decode(UnsafeRawBufferPointer(rebasing: source[1...]), to: $0.baseAddress! + 1)
      }
    }
    #expect(count == 9)
    #expect(Array(target[1...]) == Array("unaligned".utf8))
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
