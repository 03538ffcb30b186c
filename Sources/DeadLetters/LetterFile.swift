import Kafka
import Messaging
import Platform

/// A dead letter on disk: one lossless file that people can read.
///
///     image-pipeline dead letter 1
///     written: 2026-11-23T23:31:16.123Z
///     because: no acknowledgement within 30 s
///     key: cat/001.jpg
///     header: image-length: 3
///     value: 57 bytes
///
///     {"image_name": "cat/001.jpg", ...
///
/// After the empty line, the file contains the value as it was sent. In the lines before it, a percent sign and each
/// byte that is not printable ASCII are written as `%` and two hexadecimal digits, and so is a colon in a header's
/// name. A null key has no line. A header with a null value has no second colon. A null value is `value: null`.
package struct LetterFile {
  package static let suffix = ".letter"
  private static let title = "image-pipeline dead letter 1"

  /// When it was written (RFC 3339).
  var written: String
  /// Why it is on disk and not in the topic.
  var because: String
  let record: LetterRecord

  /// The bytes before the value.
  var head: [UInt8] {
    var lines = [
      Self.title, "written: " + Self.encoded(written.utf8), "because: " + Self.encoded(because.utf8),
    ]
    if let key = record.key { lines.append("key: " + Self.encoded(key)) }
    for header in record.headers {
      let name = "header: " + Self.encoded(header.nameBytes, andColon: true)
      lines.append(header.isNull ? name : name + ": " + Self.encoded(header.value))
    }
    lines.append("value: " + (record.value.map { "\($0.count) bytes" } ?? "null"))
    return Array((lines.joined(separator: "\n") + "\n\n").utf8)
  }

  func write(to file: File) throws {
    let head = head
    try head.withUnsafeBytes { try file.write($0, at: 0) }
    if let value = record.value { try file.write(value, at: head.count) }
  }

  /// - Throws: `Malformed` if the file is not a dead letter of this format; `SystemError`.
  static func read(_ file: File) throws -> LetterFile {
    let status = try file.status()
    guard status.kind == .regular else { throw Malformed(reason: "it is no regular file") }
    let content = Content(status.size)
    guard try file.read(into: content.bytes, at: 0) == content.bytes.count else {
      throw Malformed(reason: "it was truncated while being read")
    }
    return try parse(content)
  }

  struct Malformed: Error, CustomStringConvertible {
    let reason: String
    var description: String { "not a dead letter of this pipeline: \(reason)" }
  }

  /// Bytes at a fixed address.
  private final class Content {
    let bytes: UnsafeMutableRawBufferPointer
    init(_ count: Int) { bytes = .allocate(byteCount: count, alignment: 1) }
    deinit { bytes.deallocate() }
  }

  private static func parse(_ content: Content) throws(Malformed) -> LetterFile {
    let bytes = UnsafeRawBufferPointer(content.bytes)
    var place = 0
    guard try line(bytes, &place).elementsEqual(title.utf8) else {
      throw Malformed(reason: "unexpected first line")
    }
    var (written, because, headers) = ("", "", [MessageHeader]())
    var key: [UInt8]?
    while true {
      let line = try line(bytes, &place)
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon + 1 < line.endIndex, line[colon + 1] == 0x20
      else { throw Malformed(reason: "a line without a colon") }
      let rest = line[(colon + 2)...]
      switch String(decoding: line[..<colon], as: UTF8.self) {
      case "written": written = String(decoding: try decoded(rest), as: UTF8.self)
      case "because": because = String(decoding: try decoded(rest), as: UTF8.self)
      case "key": key = try decoded(rest)
      case "header": headers.append(try header(rest))
      case "value":
        guard try self.line(bytes, &place).isEmpty else { throw Malformed(reason: "no empty line before the value") }
        let value = UnsafeRawBufferPointer(rebasing: bytes[place...])
        let isNull = rest.elementsEqual("null".utf8)
        guard isNull ? value.isEmpty : rest.elementsEqual("\(value.count) bytes".utf8) else {
          throw Malformed(reason: "its value has \(value.count) bytes, not \(String(decoding: rest, as: UTF8.self))")
        }
        let owner = Owner(content, key)
        return LetterFile(
          written: written, because: because,
          record: LetterRecord(key: owner.key, value: isNull ? nil : value, headers: headers, owner: owner))
      case let other: throw Malformed(reason: "a line \"\(other)\"")
      }
    }
  }

  private static func line(
    _ bytes: UnsafeRawBufferPointer, _ place: inout Int
  ) throws(Malformed) -> Slice<UnsafeRawBufferPointer> {
    guard let end = bytes[place...].firstIndex(of: 0x0A) else { throw Malformed(reason: "truncated header") }
    defer { place = end + 1 }
    return bytes[place..<end]
  }

  private static func header(_ text: Slice<UnsafeRawBufferPointer>) throws(Malformed) -> MessageHeader {
    guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else {
      return MessageHeader(nameBytes: try decoded(text), nullableValue: nil)
    }
    guard colon + 1 < text.endIndex, text[colon + 1] == 0x20 else { throw Malformed(reason: "a header's colon") }
    return MessageHeader(
      nameBytes: try decoded(text[..<colon]), nullableValue: try decoded(text[(colon + 2)...]))
  }

  /// Keeps the bytes of file and key in memory as long as the record.
  private final class Owner {
    private let content: Content
    private let keyContent: Content?

    init(_ content: Content, _ key: [UInt8]?) {
      self.content = content
      keyContent = key.map {
        let content = Content($0.count)
        content.bytes.copyBytes(from: $0)
        return content
      }
    }

    var key: UnsafeRawBufferPointer? { keyContent.map { UnsafeRawBufferPointer($0.bytes) } }
  }

  // MARK: Percent signs

  static func encoded(_ bytes: some Sequence<UInt8>, andColon: Bool = false) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      let isPlain = (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%")
      if isPlain, !(andColon && byte == UInt8(ascii: ":")) {
        text.append(byte)
      } else {
        text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func decoded(_ text: Slice<UnsafeRawBufferPointer>) throws(Malformed) -> [UInt8] {
    var bytes: [UInt8] = []
    var place = text.startIndex
    while place < text.endIndex {
      guard text[place] == UInt8(ascii: "%") else {
        bytes.append(text[place])
        place += 1
        continue
      }
      guard place + 2 < text.endIndex, let high = digit(text[place + 1]), let low = digit(text[place + 2]) else {
        throw Malformed(reason: "a percent sign without two hexadecimal digits")
      }
      bytes.append(high << 4 | low)
      place += 3
    }
    return bytes
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
