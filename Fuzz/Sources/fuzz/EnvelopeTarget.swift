import Foundation

@testable import Wire

/// The reader agrees with a simple one about any bytes, and with Foundation about bytes that both accept. An envelope
/// from the writer reads back.
func fuzzEnvelope(_ bytes: UnsafeRawBufferPointer) {
  let expected = ReferenceEnvelope.read(Array(bytes))
  do {
    let content = try EnvelopeReader.read(bytes)
    let found = (name: Array(content.name.utf8), content: Array(content.base64))
    guard let expected else { return require(false, "read \(found), which should be refused") }
    require(found.name == expected.name, "the name is \(found.name), not \(expected.name)")
    require(found.content == expected.content, "the content is \(found.content), not \(expected.content)")
    if let image = decode(content.base64) {
      requireRoundTrip(content.name, image)
    } else {
      require(!Base64Fault(content.base64).description.isEmpty, "a text that does not decode has a fault")
    }
  } catch {
    require(expected == nil, "refused (\(error)) what should be read")
  }
  compareWithFoundation(bytes, expected)
  requireRoundTrip(
    String(decoding: bytes.prefix(bytes.count / 2), as: UTF8.self), Array(bytes.dropFirst(bytes.count / 2)))
}

private func requireRoundTrip(_ name: String, _ image: [UInt8]) {
  let envelope = Envelope(name: name)
  let value = UnsafeMutableRawBufferPointer.allocate(byteCount: envelope.size(carrying: image.count), alignment: 1)
  defer { value.deallocate() }
  image.withUnsafeBytes { envelope.write($0, to: value.baseAddress!) }
  guard let content = try? EnvelopeReader.read(UnsafeRawBufferPointer(value)) else {
    return require(false, "what the writer writes is refused: \(Array(value))")
  }
  require(Array(content.name.utf8) == Array(name.utf8), "the name \(Array(name.utf8)) comes back")
  require(decode(content.base64) == image, "the image comes back under \(Array(name.utf8))")
}

/// If both read a value, they read the same one. Each accepts texts that the other refuses: NaN, which Python writes,
/// or a comma after the last member.
private func compareWithFoundation(_ bytes: UnsafeRawBufferPointer, _ expected: ReferenceEnvelope?) {
  // If a key occurs twice, Foundation does not say which value counts.
  guard let expected, !expected.hasTwins,
    let object = (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
  else { return }
  require((object["image_name"] as? String).map { Array($0.utf8) } == expected.name, "the name in Foundation's reading")
  require(
    (object["image_content"] as? String).map { Array($0.utf8) } == expected.content,
    "the content in Foundation's reading")
}
