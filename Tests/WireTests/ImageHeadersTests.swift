import TestSupport
import Testing

@testable import Messaging
@testable import Wire

/// Reads headers as from a message.
private func read(_ headers: [MessageHeader]) throws -> ImageHeaders {
  var kept: [UnsafeMutableRawBufferPointer] = []
  defer { for buffer in kept { buffer.deallocate() } }
  return try ImageHeaders { name in
    guard let header = headers.last(where: { $0.name == name }) else { return nil }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: header.value.count, alignment: 1)
    buffer.copyBytes(from: header.value)
    kept.append(buffer)
    return UnsafeRawBufferPointer(buffer)
  }
}

private func read(_ headers: [String: String]) throws -> ImageHeaders {
  try read(headers.map { MessageHeader(name: $0.key, value: Array($0.value.utf8)) })
}

@Suite struct ImageHeadersTests {
  private let hash = digest(of: "image")

  private var segment: [String: String] {
    [
      "image-sha256": hash.hex, "image-length": "1000", "segment-id": "id", "segment-index": "1", "segment-count": "3",
      "segment-position": "400",
    ]
  }

  private func changed(_ name: String, _ value: String?) -> [String: String] {
    var headers = segment
    headers[name] = value
    return headers
  }

  @Test("a message without headers is a whole image") func noHeadersMeanWholeImage() throws {
    #expect(try read([:] as [String: String]) == ImageHeaders(digest: nil, length: nil))
    #expect(ImageHeaders(digest: nil, length: nil).kafkaHeaders.isEmpty)
  }

  @Test("headers come back as they were sent") func headersComeBack() throws {
    let whole = ImageHeaders(digest: hash, length: 0)
    #expect(try read(whole.kafkaHeaders) == whole)
    let part = ImageHeaders(
      digest: hash, length: 1_000, segment: .init(id: "id", index: 2, count: 3, position: 800))
    #expect(try read(part.kafkaHeaders) == part)
    #expect(
      part.kafkaHeaders.map { "\($0.name)=\(String(decoding: $0.value, as: UTF8.self))" } == [
        "image-sha256=\(hash.hex)", "image-length=1000", "segment-id=id", "segment-index=2", "segment-count=3",
        "segment-position=800",
      ])
  }

  @Test("other headers are ignored") func otherHeadersAreIgnored() throws {
    #expect(try read(["traceparent": "00-1", "image-width": "x"]) == ImageHeaders(digest: nil, length: nil))
  }

  @Test(
    "a number that is not decimal digits is refused",
    arguments: [
      "", " ", "-1", "+1", "-0", " 1", "1 ", "1\n", "0x10", "1.0", "1e3", "9223372036854775808", "99999999999999999999",
      "٣", "1\u{0}", "one",
    ])
  func numberMustBeDecimal(text: String) {
    #expect(throws: EnvelopeError.self) { try read(["image-length": text]) }
    for name in ["segment-index", "segment-count", "segment-position", "image-length"] {
      #expect(throws: EnvelopeError.self, "\(name)") { try read(changed(name, text)) }
    }
  }

  @Test("the largest number is read") func largestNumberIsRead() throws {
    #expect(try read(["image-length": "9223372036854775807"]).length == Int.max)
    #expect(try read(["image-length": "007"]).length == 7)
  }

  @Test(
    "an invalid hash is refused",
    arguments: [
      "", "00", String(repeating: "g", count: 64), String(repeating: "a", count: 63),
      " " + String(repeating: "a", count: 63),
    ])
  func invalidHashIsRefused(text: String) {
    #expect(throws: EnvelopeError.self) { try read(["image-sha256": text]) }
  }

  @Test("a hash may be in upper case") func hashMayBeUpperCase() throws {
    #expect(try read(["image-sha256": hash.hex.uppercased()]).digest == hash)
  }

  @Test(
    "a segment needs all of its headers",
    arguments: ["segment-index", "segment-count", "segment-position", "image-sha256", "image-length"])
  func segmentNeedsAllHeaders(name: String) {
    #expect(throws: EnvelopeError.self) { try read(changed(name, nil)) }
  }

  @Test(
    "a segment that contradicts itself is refused",
    arguments: [
      ("segment-index", "3"), ("segment-index", "4"), ("segment-count", "0"), ("segment-count", "1"),
      ("segment-count", "1001"), ("segment-position", "1001"), ("segment-position", "9223372036854775807"),
      ("segment-id", ""), ("segment-id", String(repeating: "x", count: 257)), ("image-length", "399"),
      ("segment-count", "9223372036854775807"),
    ])
  func contradictorySegmentIsRefused(name: String, value: String) {
    #expect(throws: EnvelopeError.self) { try read(changed(name, value)) }
  }

  @Test("the reason names header and value") func reasonNamesHeaderAndValue() {
    #expect(
      refusal { _ = try read(["image-length": "-5"]) } == "the header image-length is \"-5\", not a number of 0 or more"
    )
  }

  @Test("a segment id is the same in every process") func segmentIDIsStable() {
    // SHA-256 of the name, a NUL and the hash. Segments in flight must still match after a change of producer.
    #expect(
      ImageHeaders.Segment.id(name: "cat/001.jpg", digest: digest(of: "image"))
        == "727327286e2a13acd1ae8d5b26e483966fd159f90191094b81cd38dfdf9e879f")
  }

  @Test("another name or content has another segment id") func segmentIDDependsOnImage() {
    let id = ImageHeaders.Segment.id(name: "a", digest: hash)
    #expect(id != ImageHeaders.Segment.id(name: "b", digest: hash))
    #expect(id != ImageHeaders.Segment.id(name: "a", digest: digest(of: "other")))
    #expect(id.utf8.count == 64)
  }
}
