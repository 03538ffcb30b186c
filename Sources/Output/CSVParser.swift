import Platform

/// Reads records of a CSV text as it comes in, a piece at a time, in bounded memory whatever the text.
///
/// A quote that opens a field and is not closed within 1 MB is a character like any other: its line ends where the line
/// ends. A line of more than that is a record without fields.
struct CSVParser {
  private var fields: [String] = []
  private var field: [UInt8] = []
  private var quoted = false
  private var sawQuote = false
  /// What has come behind an opening quote, to be read again where that turns out to be none.
  private var behindQuote: [UInt8] = []
  /// Bytes of the fields that have ended.
  private var endedBytes = 0
  private var isTooLong = false

  private static let limit = 1 << 20
  private static let quote = UInt8(ascii: "\"")

  /// The first field, as far as it goes, of a record that has not ended.
  var unfinishedStart: String { fields.first ?? String(decoding: field, as: UTF8.self) }

  var bytesHeld: Int { endedBytes + field.count + behindQuote.count }

  /// - Parameter record: called with the fields of each record that ends within `bytes`.
  mutating func read(_ bytes: UnsafeRawBufferPointer, _ record: ([String]) throws -> Void) rethrows {
    for byte in bytes { try take(byte, record) }
  }

  /// Reads all records of a file, the header among them.
  static func read(_ file: File, _ record: ([String]) throws -> Void) throws {
    var parser = CSVParser()
    try file.eachPiece { try parser.read($0, record) }
    if parser.quoted, !parser.sawQuote { try parser.takeQuoteForACharacter(record) }
  }

  private mutating func take(_ byte: UInt8, _ record: ([String]) throws -> Void) rethrows {
    guard quoted else { return try takePlain(byte, record) }
    if sawQuote, byte != Self.quote {
      (quoted, sawQuote) = (false, false)
      behindQuote.removeAll(keepingCapacity: true)
      return try takePlain(byte, record)
    }
    behindQuote.append(byte)
    if byte == Self.quote, !sawQuote {
      sawQuote = true
    } else {
      sawQuote = false
      field.append(byte)
    }
    if behindQuote.count > Self.limit { try takeQuoteForACharacter(record) }
  }

  private mutating func takePlain(_ byte: UInt8, _ record: ([String]) throws -> Void) rethrows {
    switch byte {
    case UInt8(ascii: "\n"):
      endField()
      let ended = isTooLong ? [] : fields
      (fields, endedBytes, isTooLong) = ([], 0, false)
      try record(ended)
    case _ where isTooLong: break
    case Self.quote where field.isEmpty: quoted = true
    case UInt8(ascii: ","): endField()
    case UInt8(ascii: "\r"): break
    default:
      field.append(byte)
      if field.count > Self.limit { giveUpLine() }
    }
  }

  private mutating func takeQuoteForACharacter(_ record: ([String]) throws -> Void) rethrows {
    let bytes = behindQuote
    (quoted, sawQuote, behindQuote, field) = (false, false, [], [Self.quote])
    // A quote among them that opens a field is closed among them: what does not close the first one comes in pairs.
    for byte in bytes { try take(byte, record) }
  }

  private mutating func endField() {
    guard !isTooLong else { return }
    fields.append(String(decoding: field, as: UTF8.self))
    // An empty one takes memory too.
    endedBytes += field.count + MemoryLayout<String>.size
    field = []
    if endedBytes > Self.limit { giveUpLine() }
  }

  private mutating func giveUpLine() { (isTooLong, fields, field, endedBytes) = (true, [], [], 0) }
}
