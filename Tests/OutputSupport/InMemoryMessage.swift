package import Messaging
package import Platform
import TestSupport
package import Wire

/// A message that no broker has seen.
package final class InMemoryMessage: Message, @unchecked Sendable {
  package let topic = "t"
  package let partition: Int32
  package let offset: Int64
  package let timestamp: Int64?
  package let key: UnsafeRawBufferPointer?
  package let value: UnsafeRawBufferPointer?
  package let isReleased = false
  private let all: [MessageHeader]
  private let values: [String: UnsafeRawBufferPointer]

  package init(
    _ offset: Int64, partition: Int32 = 0, time: Int64 = 5, key: [UInt8]?, value: [UInt8], headers: [MessageHeader] = []
  ) {
    (self.offset, self.partition, all, timestamp) = (offset, partition, headers, time)
    self.key = key.map(Self.copy)
    self.value = Self.copy(value)
    values = Dictionary(uniqueKeysWithValues: headers.map { ($0.name, Self.copy($0.value)) })
  }

  /// A whole image.
  package convenience init(
    _ offset: Int64, partition: Int32 = 0, time: Int64 = 5, _ name: String, _ content: String,
    digest wrong: Digest? = nil
  ) {
    let headers = ImageHeaders(digest: wrong ?? digest(of: content), length: content.utf8.count)
    self.init(
      offset, partition: partition, time: time, key: Array(name.utf8), value: envelope(name, Array(content.utf8)),
      headers: headers.kafkaHeaders)
  }

  /// A segment of any cut.
  package convenience init(
    _ offset: Int64, _ name: String, _ part: [UInt8], _ segment: ImageHeaders.Segment, of image: [UInt8]
  ) {
    let digest = image.withUnsafeBytes { SHA256.hash($0) }
    let headers = ImageHeaders(digest: digest, length: image.count, segment: segment)
    self.init(offset, key: Array(name.utf8), value: envelope(name, part), headers: headers.kafkaHeaders)
  }

  /// One of two segments.
  package convenience init(
    _ offset: Int64, partition: Int32 = 0, segment index: Int, of name: String, _ content: String, id: String? = nil,
    digest wrong: Digest? = nil
  ) {
    let bytes = Array(content.utf8)
    let half = bytes.count / 2
    let segment = ImageHeaders.Segment(id: id ?? "id of " + content, index: index, count: 2, position: index * half)
    let headers = ImageHeaders(digest: wrong ?? digest(of: content), length: bytes.count, segment: segment)
    self.init(
      offset, partition: partition, key: Array(name.utf8),
      value: envelope(name, Array(index == 0 ? bytes[..<half] : bytes[half...])), headers: headers.kafkaHeaders)
  }

  private static func copy(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
    buffer.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(rebasing: buffer[..<bytes.count])
  }

  package var size: Int { (key?.count ?? 0) + (value?.count ?? 0) }
  package func header(_ name: String) -> UnsafeRawBufferPointer? { values[name] }
  package func headers() -> [MessageHeader] { all }
  package func releaseContent() {}

  deinit {
    for buffer in [key, value].compactMap({ $0 }) + values.values { buffer.baseAddress?.deallocate() }
  }
}
