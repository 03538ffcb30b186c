import TestSupport
import Testing

@testable import Platform
@testable import Wire

@Suite struct ReceiptTests {
  private func digest(_ byte: UInt8) -> Digest { Digest(bytes: [UInt8](repeating: byte, count: 32))! }

  private func receipt(_ images: [Receipt.Image], lost: [Range<Int64>] = []) -> Receipt {
    Receipt(
      output: "a1b2", topic: "images", partition: 3, offsets: 100..<180, time: 1_764_000_000_123, images: images,
      lost: lost)
  }

  private func read(_ value: [UInt8]) throws -> Receipt { try value.withUnsafeBytes { try Receipt(value: $0) } }

  @Test("a receipt is read as it was written, with every outcome") func outcomesSurvive() throws {
    let all = receipt(
      [
        Receipt.Image(offset: 101, name: "cat/1.jpg", digest: digest(1), length: 10, outcome: .stored),
        Receipt.Image(offset: 102, name: "Kätzchen \"x\"\\\n.jpg", digest: digest(2), length: 0, outcome: .unchanged),
        Receipt.Image(offset: 103, name: "old.jpg", digest: digest(3), length: 7, outcome: .superseded),
        Receipt.Image(offset: 110, name: nil, digest: nil, length: nil, outcome: .deadLetter(reason: "InvalidBase64")),
      ], lost: [100..<101, 120..<130])
    let values = all.values(ofAbout: 100_000)
    #expect(values.count == 1)
    #expect(try read(values[0]) == all)
  }

  @Test("a value has the keys that the reference names") func valueIsDocumentedJSON() {
    let one = receipt([Receipt.Image(offset: 101, name: "a.jpg", digest: digest(255), length: 10, outcome: .stored)])
    let text = String(decoding: one.values(ofAbout: 1_000)[0], as: UTF8.self)
    #expect(
      text == #"{"output":"a1b2","topic":"images","partition":3,"from":100,"next":180,"time":1764000000123,"images":["#
        + #"{"offset":101,"name":"a.jpg","sha256":""# + String(repeating: "ff", count: 32) + #"","length":10}]}"#)
  }

  @Test("many images are split into several messages that cover the range without a gap") func rangeIsSplit() throws {
    let images = (0..<50).map {
      Receipt.Image(offset: 100 + $0, name: "\($0).jpg", digest: digest(UInt8($0)), length: 1, outcome: .stored)
    }
    let all = receipt(images, lost: [150..<160])
    let parts = try all.values(ofAbout: 1_000).map(read)
    #expect(parts.count > 3)
    #expect(parts.flatMap(\.images) == images)
    #expect(parts.map(\.offsets.lowerBound) == [100] + parts.dropLast().map(\.offsets.upperBound))
    #expect(parts.last?.offsets.upperBound == 180)
    #expect(parts.allSatisfy { part in part.images.allSatisfy { part.offsets.contains($0.offset) } })
    #expect(parts.flatMap(\.lost) == [150..<160])
  }

  @Test("keys that a later version adds are passed over") func unknownKeysAreSkipped() throws {
    let text = #"""
      {"new":[{"a":1}],"output":"o","topic":"t","partition":0,"next":2,"from":1,"images":[{"x":null,"offset":1,"name":"n"}]}
      """#
    let read = try read(Array(text.utf8))
    #expect(read.images == [Receipt.Image(offset: 1, name: "n", digest: nil, length: nil, outcome: .stored)])
    #expect(read.offsets == 1..<2)
  }

  /// Sending it again would only bring the same outcome.
  @Test("an outcome that a later version adds is read as a dead letter, and the other images are confirmed")
  func unknownOutcomeConfirmsNothing() throws {
    let text = #"""
      {"output":"o","topic":"t","partition":0,"from":1,"next":4,"images":[{"offset":1,"name":"a","outcome":"eaten"},
      {"offset":2,"name":"b","outcome":"eaten","reason":"Hunger"},{"offset":3,"name":"c"}]}
      """#
    #expect(
      try read(Array(text.utf8)).images.map(\.outcome) == [
        .deadLetter(reason: "eaten"), .deadLetter(reason: "Hunger"), .stored,
      ])
  }

  @Test(
    "a value that is no receipt is refused",
    arguments: [
      "", "{}", "[]", "nonsense", #"{"output":"o","topic":"t","partition":0,"from":2,"next":1}"#,
      #"{"output":"o","topic":"t","partition":99999999999,"from":0,"next":1}"#,
      #"{"output":"o","topic":"t","partition":0,"from":0,"next":1,"images":[{"name":"n"}]}"#,
      #"{"output":"o","topic":"t","partition":0,"from":0,"next":1} x"#,
      #"{"output":"o","topic":"t","partition":"0","from":0,"next":1}"#,
    ]) func nonsenseIsRefused(text: String)
  {
    #expect(throws: EnvelopeError.self) { try read(Array(text.utf8)) }
  }
}
