import Glibc
import TestSupport
import Testing

@testable import Wire

/// The name and the Base64 of a value.
func readEnvelope(_ value: [UInt8]) throws(EnvelopeError) -> (name: String, base64: String) {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: value)
  let content = try EnvelopeReader.read(UnsafeRawBufferPointer(copy))
  return (content.name, String(decoding: content.base64, as: UTF8.self))
}

func readEnvelope(_ text: String) throws(EnvelopeError) -> (name: String, base64: String) {
  try readEnvelope(Array(text.utf8))
}

@Suite struct EnvelopeReaderTests {
  @Test(
    "a written envelope is read back",
    arguments: ["cat/001.jpg", #"quote " slash \ end"#, "\u{0}\n\t", "é猫🐈", "\"\u{301}"])
  func writtenEnvelopeIsRead(name: String) throws {
    let read = try readEnvelope(envelope(name, Array("foobar".utf8)))
    #expect(Array(read.name.utf8) == Array(name.utf8))
    #expect(read.base64 == "Zm9vYmFy")
  }

  @Test(
    "key order and white space are free",
    arguments: [
      #"{"image_content":"Zg==","image_name":"a"}"#, #"{"image_name":"a","image_content":"Zg=="}"#,
      " \t\r\n{ \n\"image_name\" \t: \"a\" ,\r\n \"image_content\"\n:\n\"Zg==\" } \n ",
    ])
  func keyOrderAndWhiteSpaceAreFree(text: String) throws { #expect(try readEnvelope(text) == ("a", "Zg==")) }

  @Test(
    "unknown keys are skipped",
    arguments: [
      "1", "-1.5e+3", "true", "false", "null", "NaN", "-Infinity", "\"\"", #""}],\"{""#, "[]", "{}", "[ ]", "{ }",
      #"[1,[2,{"a":[]}],"x\\"]"#, #"{"image_name":"inner","image_content":{"image_content":"inner"}}"#,
    ])
  func unknownKeysAreSkipped(value: String) throws {
    #expect(
      try readEnvelope(#"{"x":\#(value),"image_name":"a","y": \#(value) ,"image_content":"Zg==","z":\#(value)}"#)
        == ("a", "Zg=="))
  }

  @Test("the last of two equal keys counts") func lastDuplicateKeyCounts() throws {
    #expect(
      try readEnvelope(#"{"image_name":"a","image_content":"Zg==","image_name":"b","image_content":"Zm8="}"#)
        == ("b", "Zm8="))
  }

  @Test("every JSON escape is read") func everyEscapeIsRead() throws {
    #expect(
      try readEnvelope(#"{"image_name":"\"\\\/\b\f\n\r\t\u00e9\u732B\ud83d\udc08","image_content":""}"#).name
        == "\"\\/\u{8}\u{c}\n\r\té猫🐈")
    #expect(try readEnvelope(#"{"image\u005fname":"a","\u0069mage_content":"Zg=="}"#) == ("a", "Zg=="))
    #expect(try readEnvelope(#"{"image_name":"a","image_content":"Pz8\/\u002bZg\u003d="}"#).base64 == "Pz8/+Zg==")
    #expect(try readEnvelope(#"{"image_name":"a\u0000","image_content":""}"#).name == "a\0")
  }

  @Test(
    "an invalid escape is refused",
    arguments: [
      #"\ud83d"#, #"\udc08"#, #"\ud83dx"#, #"\ud83d\n"#, #"\ud83d\ud83d"#, #"\udc08\ud83d"#, #"\ud83d\u0041"#,
      #"\u12"#, #"\u12g4"#, #"\u+123"#, #"\u-000"#, #"\u 123"#, #"\x41"#, #"\'"#, #"\0"#, #"\uD83D\u"#, "\\u00é",
    ])
  func invalidEscapeIsRefused(escape: String) {
    #expect(throws: EnvelopeError.self) { try readEnvelope(#"{"image_name":"\#(escape)","image_content":""}"#) }
    #expect(throws: EnvelopeError.self) { try readEnvelope(#"{"image_name":"a","image_content":"\#(escape)"}"#) }
    #expect(throws: EnvelopeError.self) {
      try readEnvelope(#"{"\#(escape)":1,"image_name":"a","image_content":""}"#)
    }
  }

  @Test(
    "a value that is no envelope is refused with its reason",
    arguments: [
      ("", "not a JSON object"), ("[]", "not a JSON object"), ("null", "not a JSON object"), ("{}", "no image_name"),
      (#"{"image_content":""}"#, "no image_name"), (#"{"image_name":"a"}"#, "no image_content"),
      (#"{"image_name":5,"image_content":""}"#, "image_name is not a string"),
      (#"{"image_name":"a","image_content":null}"#, "image_content is not a string"),
      (#"{"image_name":"a","image_content":""}x"#, "after the JSON object"),
      (#"{"image_name":"a","image_content":""}{}"#, "after the JSON object"),
      (#"{"image_name":"a","image_content":"",}"#, "a string was expected"),
      (#"{"image_name":"a" "image_content":""}"#, "does not end"), (#"{"image_name" "a"}"#, "a key without a value"),
      (#"{'image_name':'a'}"#, "a string was expected"), (#"{"x":nul,"image_name":"a"}"#, "no JSON value"),
      (#"{"x":,"image_name":"a"}"#, "no JSON value"), (#"{"x":[1 2]}"#, "array does not end"),
      (#"{"x":{"y":1"#, "object does not end"), (#"{"x":"#, "ends too early"),
      ("\u{FEFF}{}", "not a JSON object"),
    ])
  func otherValuesAreRefused(text: String, reason: String) {
    let said = refusal { _ = try readEnvelope(text) }
    #expect(said?.contains(reason) == true, "\(said ?? "nothing was refused")")
  }

  @Test(
    "a value of another tool is recognized",
    arguments: [
      ([0xEF, 0xBB, 0xBF, 0x7B, 0x7D], "byte-order mark"), ([0xFF, 0xFE, 0x7B, 0], "UTF-16"),
      ([0, 0x7B, 0, 0x22], "UTF-16"),
      ([0x7B, 0, 0x22, 0], "UTF-16"), ([0, 0, 1, 0x86, 0xA0, 0x7B, 0x7D], "schema id 100000"),
      ([0x1F, 0x8B, 8], "compressed"),
      (Array("b'{}'".utf8), "Python"), (Array("{'image_name': 'a'}".utf8), "json.dumps"),
      (Array(#""{}""#.utf8), "encoded twice"),
      ([0xFF, 0xD8, 0xFF, 0xE0, 0, 16], "jpeg image"),
    ] as [([UInt8], String)])
  func otherToolsAreRecognized(value: [UInt8], said: String) {
    let reason = refusal { _ = try readEnvelope(value) }
    #expect(reason?.contains(said) == true, "\(reason ?? "nothing was refused")")
  }

  @Test("bytes that are not UTF-8 are refused in a name") func nameMustBeUTF8() {
    for bytes: [UInt8] in [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] {
      let value = Array(#"{"image_name":""#.utf8) + bytes + Array(#"","image_content":""}"#.utf8)
      #expect(throws: EnvelopeError.self) { try readEnvelope(value) }
    }
  }

  @Test("deep nesting is refused and does not overflow the stack") func deepNestingIsRefused() throws {
    func nested(_ depth: Int) -> String {
      let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      return #"{"x":\#(value),"image_name":"a","image_content":""}"#
    }
    #expect(try readEnvelope(nested(60)).name == "a")
    #expect(throws: EnvelopeError.self) { try readEnvelope(nested(200_000)) }
    let open = #"{"x":"# + String(repeating: #"{"x":["#, count: 100_000)
    #expect(throws: EnvelopeError.self) { try readEnvelope(open) }
  }

  @Test("huge content is not copied") func hugeContentIsNotCopied() throws {
    let characters = 90_000_000
    let head = Array(#"{"image_name":"a","image_content":""#.utf8)
    let value = UnsafeMutableRawBufferPointer.allocate(byteCount: head.count + characters + 2, alignment: 1)
    defer { value.deallocate() }
    value.copyBytes(from: head)
    memset(value.baseAddress! + head.count, 0x41, characters)
    value[value.count - 2] = UInt8(ascii: "\"")
    value[value.count - 1] = UInt8(ascii: "}")
    let content = try EnvelopeReader.read(UnsafeRawBufferPointer(value)).base64
    #expect(content.count == characters)
    #expect(content.baseAddress == UnsafeRawPointer(value.baseAddress! + head.count))
  }

  @Test("a huge name is read and then refused") func hugeNameIsRefused() throws {
    let read = try readEnvelope(#"{"image_name":"\#(String(repeating: "é", count: 5_000_000))","image_content":""}"#)
    #expect(throws: ImageName.Refusal.self) { try ImageName(read.name) }
  }

  @Test("the reason names the byte") func reasonNamesTheByte() {
    #expect(refusal { _ = try readEnvelope(#"{"image_name":7}"#) } == "image_name is not a string (byte 14)")
  }
}
