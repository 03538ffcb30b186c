import Messaging
import Platform

@testable import Wire

/// Headers are accepted exactly if they follow their rules. Accepted headers read back the same when they are sent
/// again.
///
/// The input is a sequence of headers: a byte that chooses the name, a byte with the value's length, the value.
func fuzzHeaders(_ bytes: UnsafeRawBufferPointer) {
  let values = headers(in: bytes[...])
  let read = try? ImageHeaders(lookingIn: values)
  let expected = ReferenceHeaders.read(values)
  require(read == expected, "\(values): \(String(describing: read)), not \(String(describing: expected))")
  guard let read else { return }
  let again = Dictionary(uniqueKeysWithValues: read.kafkaHeaders.map { ($0.name, $0.value) })
  require(try! ImageHeaders(lookingIn: again) == read, "what is sent again reads the same: \(read)")
}

private func headers(in bytes: Slice<UnsafeRawBufferPointer>) -> [String: [UInt8]] {
  typealias Name = ImageHeaders.Name
  let names = [
    Name.digest, Name.length, Name.segmentID, Name.segmentIndex, Name.segmentCount, Name.segmentPosition, "other",
  ]
  var rest = bytes
  var values: [String: [UInt8]] = [:]
  while let name = rest.popFirst(), let length = rest.popFirst() {
    values[names[Int(name) % names.count]] = Array(rest.prefix(Int(length)))
    rest = rest.dropFirst(Int(length))
  }
  return values
}

extension ImageHeaders {
  fileprivate init(lookingIn values: [String: [UInt8]]) throws {
    let copies = values.mapValues { value in
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
      copy.copyBytes(from: value)
      return copy
    }
    defer { for copy in copies.values { copy.deallocate() } }
    try self.init { name in copies[name].map { UnsafeRawBufferPointer($0) } }
  }
}

private enum ReferenceHeaders {
  struct Refused: Error {}

  static func read(_ values: [String: [UInt8]]) -> ImageHeaders? {
    typealias Name = ImageHeaders.Name
    do {
      let digest = try values[Name.digest].map { try self.digest($0) }
      let length = try values[Name.length].map { try number($0) }
      guard let id = values[Name.segmentID] else { return ImageHeaders(digest: digest, length: length) }
      guard let index = try values[Name.segmentIndex].map({ try number($0) }),
        let count = try values[Name.segmentCount].map({ try number($0) }),
        let position = try values[Name.segmentPosition].map({ try number($0) }),
        let length, digest != nil, !id.isEmpty, String(decoding: id, as: UTF8.self).utf8.count <= 256,
        index < count, position <= length, count <= max(1, length)
      else { return nil }
      return ImageHeaders(
        digest: digest, length: length,
        segment: .init(id: String(decoding: id, as: UTF8.self), index: index, count: count, position: position))
    } catch { return nil }
  }

  private static func number(_ text: [UInt8]) throws -> Int {
    guard !text.isEmpty else { throw Refused() }
    var number = 0
    for digit in text {
      guard "0123456789".utf8.contains(digit) else { throw Refused() }
      let (tens, tooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, tooLargeNow) = tens.addingReportingOverflow(Int(digit) - 0x30)
      guard !tooLarge, !tooLargeNow else { throw Refused() }
      number = sum
    }
    return number
  }

  private static func digest(_ text: [UInt8]) throws -> Digest {
    let digits = Array("0123456789abcdef".utf8)
    let values = text.compactMap { digits.firstIndex(of: (0x41...0x46).contains($0) ? $0 + 0x20 : $0) }
    guard text.count == 64, values.count == 64 else { throw Refused() }
    return Digest(bytes: (0..<32).map { UInt8(values[2 * $0] * 16 + values[2 * $0 + 1]) })!
  }
}
