import TestSupport
import Testing

@testable import Messaging
@testable import Wire

@Suite struct WireFormatTests {
  private func content(
    _ value: [UInt8]?, key: String? = nil, headers: [String: [UInt8]] = [:]
  ) throws -> (name: String, bytes: [UInt8]?) {
    func pinned(_ bytes: [UInt8]?) -> UnsafeRawBufferPointer? {
      guard let bytes else { return nil }
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
      memory.copyBytes(from: bytes)
      return UnsafeRawBufferPointer(rebasing: memory[..<bytes.count])
    }
    var pins: [UnsafeRawBufferPointer] = []
    defer { for pin in pins { pin.deallocate() } }
    func keep(_ bytes: [UInt8]?) -> UnsafeRawBufferPointer? {
      let pin = pinned(bytes)
      if let pin { pins.append(pin) }
      return pin
    }
    let read = try ImageContent(value: keep(value), key: keep(key.map { Array($0.utf8) })) { keep(headers[$0]) }
    switch read.form {
    case .bytes(let bytes): return (read.name, Array(bytes))
    case .envelope: return (read.name, nil)
    }
  }

  private let binary: [String: [UInt8]] = ["image-encoding": Array("binary".utf8)]

  @Test("a binary value is the image, and headers name it") func binaryValueIsTheImage() {
    let envelope = Envelope(name: "cat/ä \"1\".jpg", format: .binary)
    let image: [UInt8] = [0, 1, 0xFF, 0x22]
    var value = [UInt8](repeating: 9, count: envelope.size(carrying: image.count))
    value.withUnsafeMutableBytes { target in image.withUnsafeBytes { envelope.write($0, to: target.baseAddress!) } }
    #expect(value == image)
    #expect(
      envelope.headers == [
        MessageHeader(name: "image-encoding", value: Array("binary".utf8)),
        MessageHeader(name: "image-name", value: Array("cat/ä \"1\".jpg".utf8)),
      ])
    #expect(Envelope(name: "a").headers == [], "an envelope is as it always was")
  }

  @Test("a written message is read") func writtenMessageIsRead() throws {
    let envelope = Envelope(name: "cat/1.jpg", format: .binary)
    var headers: [String: [UInt8]] = [:]
    for header in envelope.headers { headers[header.name] = header.value }
    let read = try content([1, 2, 3], key: "another", headers: headers)
    #expect(read.name == "cat/1.jpg" && read.bytes == [1, 2, 3])
    #expect(try content([], headers: headers).bytes == [], "an empty image")
  }

  @Test("the key is the name if the header is missing") func keyIsTheDefaultName() throws {
    let read = try content([1], key: "k.jpg", headers: binary)
    #expect(read.name == "k.jpg" && read.bytes == [1])
  }

  @Test("bytes that look like JSON are an image if the header says so") func headerDecidesTheFormat() throws {
    let value = Array(#"{"image_name": "x", "image_content": ""}"#.utf8)
    #expect(try content(value, key: "k", headers: binary).bytes == value)
    let read = try content(value, key: "k")
    #expect(read.name == "x" && read.bytes == nil)
  }

  @Test("an unreadable message is refused with its reason") func unreadableMessageIsRefused() {
    func reason(_ value: [UInt8]?, _ key: String?, _ headers: [String: [UInt8]]) -> String? {
      #expect(throws: EnvelopeError.self) { _ = try content(value, key: key, headers: headers) }?.description
    }
    #expect(reason(nil, "k", binary) == "the message has no value")
    #expect(reason([1], nil, binary) == "neither a header image-name nor a key names the image")
    #expect(
      reason([1], "k", ["image-encoding": Array("brotli".utf8)])
        == "the header image-encoding is \"brotli\"; only binary is known")
    #expect(
      reason([1], "k", binary.merging(["image-name": [0xFF]]) { $1 }) == "the image's name is not UTF-8")
  }

  @Test("sizes are those of the format") func sizesFitTheFormat() {
    #expect(WireFormat.base64.encodedCount(720_000) == 960_000 && WireFormat.binary.encodedCount(720_000) == 720_000)
    for format in WireFormat.allCases {
      #expect(format.contentCount(fitting: -1) == 0)
      #expect(format.encodedCount(format.contentCount(fitting: 999)) <= 999)
      #expect(format.encodedCount(format.contentCount(fitting: 999) + 3) > 999)
    }
  }
}
