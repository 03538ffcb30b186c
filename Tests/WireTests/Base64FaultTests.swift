import Testing

@testable import Wire

/// The explanation of text that is no Base64.
@Suite struct Base64FaultTests {
  private func fault(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { Base64Fault($0).description } }

  @Test(
    "the offset and the character are named",
    arguments: [
      ("QU*D", "offset 2 holds '*'"), ("QUJD\nQ\u{0}==", "offset 6 holds the byte 0x00"),
      ("QUJDQU\u{E9}D", "offset 6 holds '\u{E9}' (U+00E9)"),
      ("\u{FEFF}QUJD", "offset 0 holds a byte-order mark (U+FEFF)"),
      ("QUJD\u{1F408}", "offset 4 holds '\u{1F408}' (U+1F408)"), ("QUJD\\n", "offset 4 holds '\\'"),
    ])
  func offsetAndCharacterAreNamed(text: String, said: String) { #expect(fault(text).hasPrefix(said), "\(fault(text))") }

  @Test("a byte that is no character is named as a byte")
  func byteIsNamed() {
    #expect(
      ([0x51, 0x55, 0xFF, 0x44] as [UInt8]).withUnsafeBytes { Base64Fault($0).description }
        == "offset 2 holds the byte 0xFF")
  }

  @Test(
    "the usual forms of other tools are recognized",
    arguments: [
      ("data:image/png;base64,iVBO", "data URI"), (" DATA:;base64,iVBO", "data URI"), ("data:", "data URI"),
      ("b'iVBO'", "Python"), ("b\"iVBO\"", "Python"), ("QU-D", "URL-safe"), ("QUJDQ_==", "URL-safe"),
    ])
  func formsAreRecognized(text: String, said: String) { #expect(fault(text).contains(said), "\(fault(text))") }

  @Test(
    "padding and length are explained",
    arguments: [
      ("QQ==QUJD", "offset 2 holds '=', and more text follows"), ("QUI=\nQUJD", "offset 3 holds '=', and more text"),
      ("QUJD====", "'=' at offset 4: padding"), ("Q===", "'=' at offset 1: padding"), ("=", "'=' at offset 0: padding"),
      ("QUJDQ", "it has 5 characters"), ("QU\nJ\n", "it has 3 characters"), ("QUJDQU=", "it has 7 characters"),
      ("AAB=", "'B' at offset 2, with unused bits"), ("QUJD\nQR==\n", "'R' at offset 6, with unused bits"),
    ])
  func paddingAndLengthAreExplained(text: String, said: String) {
    #expect(fault(text).hasPrefix(said), "\(fault(text))")
  }
}
