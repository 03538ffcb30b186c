import Glibc

/// Scans JSON text without building values from it. The results are ranges of the text.
package struct JSONScanner {
  /// The range of a string, without its quotes.
  package struct Text {
    let range: Range<Int>
    let hasEscapes: Bool
  }

  private let text: UnsafeRawBufferPointer
  /// The offset of the next byte to scan.
  package private(set) var place = 0
  /// The nesting limit. Deeper nesting is an attack on the stack, not an image.
  private static let deepest = 64

  package init(_ text: UnsafeRawBufferPointer) { self.text = text }

  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return place == text.count
    }
  }

  private mutating func skipSpace() {
    while place < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[place]) { place += 1 }
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard place < text.count, text[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar, orElse reason: String) throws(EnvelopeError) {
    guard take(character) else { throw EnvelopeError("\(reason) (byte \(place))") }
  }

  package mutating func string(of key: String) throws(EnvelopeError) -> Text {
    skipSpace()
    guard place < text.count, text[place] == UInt8(ascii: "\"") else {
      throw EnvelopeError("\(key) is not a string (byte \(place))")
    }
    return try string()
  }

  /// Reads the string at the current offset. Its end is found with `memchr`, because an image's content is one string
  /// of a megabyte.
  mutating func string() throws(EnvelopeError) -> Text {
    guard take("\"") else {
      let suspect =
        switch place < text.count ? text[place] : nil {
        case UInt8(ascii: "'"): ": Python's repr of a dict; send json.dumps(...)"
        case 0: ": UTF-16; encode it as utf-8"
        default: ""
        }
      throw EnvelopeError("a string was expected (byte \(place))" + suspect)
    }
    let start = place
    var hasEscapes = false
    // The first quote that is not part of an escape before `place`. It is kept until `place` has passed it, so that it
    // is not searched for again at each escape.
    var end = start - 1
    while true {
      if end < place {
        guard let base = text.baseAddress, place < text.count,
          let quote = memchr(base + place, 0x22, text.count - place)
        else { throw EnvelopeError("a string does not end (byte \(start))") }
        end = UnsafeRawPointer(quote) - base
      }
      // A quote after an odd number of backslashes is part of the string.
      if let base = text.baseAddress, let backslash = memchr(base + place, 0x5C, end - place) {
        hasEscapes = true
        place = UnsafeRawPointer(backslash) - base + 2
        continue
      }
      place = end + 1
      return Text(range: start..<end, hasEscapes: hasEscapes)
    }
  }

  package mutating func integer(of key: String) throws(EnvelopeError) -> Int64 {
    skipSpace()
    let start = place
    while place < text.count, text[place] == UInt8(ascii: "-") || (0x30...0x39).contains(text[place]) { place += 1 }
    guard let number = Int64(String(decoding: text[start..<place], as: UTF8.self)) else {
      throw EnvelopeError("\(key) is not a whole number (byte \(start))")
    }
    return number
  }

  /// Calls `body` at the value of each of an object's members.
  package mutating func members(
    _ body: (inout JSONScanner, _ key: String) throws(EnvelopeError) -> Void
  ) throws(EnvelopeError) {
    try expect("{", orElse: "an object was expected")
    if take("}") { return }
    repeat {
      let key = try string().string(in: text)
      try expect(":", orElse: "a key without a value")
      try body(&self, key)
    } while take(",")
    try expect("}", orElse: "an object does not end")
  }

  /// Calls `body` at each of an array's elements.
  package mutating func elements(_ body: (inout JSONScanner) throws(EnvelopeError) -> Void) throws(EnvelopeError) {
    try expect("[", orElse: "an array was expected")
    if take("]") { return }
    repeat { try body(&self) } while take(",")
    try expect("]", orElse: "an array does not end")
  }

  package mutating func skipValue(depth: Int = 0) throws(EnvelopeError) {
    guard depth < Self.deepest else { throw EnvelopeError("JSON nested more than \(Self.deepest) deep") }
    skipSpace()
    guard place < text.count else { throw EnvelopeError("the JSON text ends too early") }
    switch text[place] {
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "{"):
      place += 1
      if take("}") { return }
      repeat {
        _ = try string()
        try expect(":", orElse: "a key without a value")
        try skipValue(depth: depth + 1)
      } while take(",")
      try expect("}", orElse: "a JSON object does not end")
    case UInt8(ascii: "["):
      place += 1
      if take("]") { return }
      repeat { try skipValue(depth: depth + 1) } while take(",")
      try expect("]", orElse: "a JSON array does not end")
    default: try skipLiteral()
    }
  }

  /// Skips a number, true, false or null. The exact syntax of a number does not matter here; only its end does.
  private mutating func skipLiteral() throws(EnvelopeError) {
    let start = place
    while place < text.count {
      switch text[place] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
        place += 1
        continue
      default: break
      }
      break
    }
    let word = String(decoding: text[start..<place], as: UTF8.self)
    let number = word.first.map { $0 == "-" || $0.isNumber } ?? false
    guard number || ["true", "false", "null", "NaN", "Infinity"].contains(word) else {
      throw EnvelopeError("no JSON value (byte \(start))")
    }
  }
}

extension JSONScanner.Text {
  /// The string. It must be UTF-8 without half surrogate pairs.
  package func string(in text: UnsafeRawBufferPointer) throws(EnvelopeError) -> String {
    let bytes = try bytes(in: text)
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw EnvelopeError("a string is not UTF-8 (byte \(range.lowerBound))")
    }
    return string
  }

  /// The string's bytes with every JSON escape resolved.
  package func bytes(in text: UnsafeRawBufferPointer) throws(EnvelopeError) -> [UInt8] {
    let raw = text[range]
    guard hasEscapes else { return Array(raw) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(raw.count)
    var place = raw.startIndex
    while place < raw.endIndex {
      guard raw[place] == UInt8(ascii: "\\") else {
        // Base64 with line ends has an escape every 76 characters. The text between two escapes is copied at once.
        let end = raw[place...].firstIndex(of: UInt8(ascii: "\\")) ?? raw.endIndex
        bytes += raw[place..<end]
        place = end
        continue
      }
      guard place + 1 < raw.endIndex else { throw EnvelopeError("a backslash escapes nothing (byte \(place))") }
      let kind = raw[place + 1]
      place += 2
      switch kind {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(kind)
      case UInt8(ascii: "b"): bytes.append(0x08)
      case UInt8(ascii: "f"): bytes.append(0x0C)
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "u"): bytes += Array(String(try Self.scalar(raw, &place)).utf8)
      default: throw EnvelopeError("an unknown JSON escape (byte \(place - 1))")
      }
    }
    return bytes
  }

  /// Reads `\uXXXX`, or two of them if the first is the high half of a surrogate pair. `place` is just after the `u`.
  private static func scalar(
    _ raw: Slice<UnsafeRawBufferPointer>, _ place: inout Int
  ) throws(EnvelopeError) -> Unicode.Scalar {
    let start = place
    func unit() throws(EnvelopeError) -> UInt32 {
      guard place + 4 <= raw.endIndex,
        let value = UInt32(String(decoding: raw[place..<place + 4], as: UTF8.self), radix: 16),
        // The standard library accepts a sign, even in "-0".
        raw[place] != UInt8(ascii: "+"), raw[place] != UInt8(ascii: "-")
      else { throw EnvelopeError("a \\u escape without four hexadecimal digits (byte \(start))") }
      place += 4
      return value
    }
    var value = try unit()
    if (0xD800..<0xDC00).contains(value), place + 1 < raw.endIndex, raw[place] == UInt8(ascii: "\\"),
      raw[place + 1] == UInt8(ascii: "u")
    {
      place += 2
      let low = try unit()
      guard (0xDC00..<0xE000).contains(low) else { throw EnvelopeError("half a surrogate pair (byte \(start))") }
      value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw EnvelopeError("half a surrogate pair (byte \(start))") }
    return scalar
  }
}
