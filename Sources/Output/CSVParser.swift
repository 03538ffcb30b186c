import Platform

/// Parses the records of a CSV text one piece at a time, in bounded memory whatever the text.
///
/// A quote that opens a field and is not closed within 1 MB is an ordinary character: its line ends at the next line
/// end. A line of more than 1 MB is a record without fields.
struct CSVParser {
  private var fields: [String] = []
  private var field: [UInt8] = []
  private var quoted = false
  private var sawQuote = false
  /// The bytes after an opening quote. They are parsed again if the quote turns out to be an ordinary character.
  private var behindQuote: [UInt8] = []
  /// Bytes of the fields that are complete.
  private var endedBytes = 0
  private var isTooLong = false

  private static let limit = 1 << 20
  private static let quote = UInt8(ascii: "\"")

  /// The first field, as far as it has arrived, of a record that is not complete.
  var unfinishedStart: String { fields.first ?? String(decoding: field, as: UTF8.self) }

  var bytesHeld: Int { endedBytes + field.count + behindQuote.count }

  /// - Parameter record: called with the fields of each record that ends within `bytes`.
  mutating func read(_ bytes: UnsafeRawBufferPointer, _ record: ([String]) throws -> Void) rethrows {
    for byte in bytes { try take(byte, record) }
  }

  /// Reads all records of a file, including the header. A last line without a line end is not a record.
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
    // A quote in these bytes that opens a field is also closed in them: quotes that do not close the first one come in
    // pairs.
    for byte in bytes { try take(byte, record) }
  }

  private mutating func endField() {
    guard !isTooLong else { return }
    fields.append(String(decoding: field, as: UTF8.self))
    // An empty field takes memory too.
    endedBytes += field.count + MemoryLayout<String>.size
    field = []
    if endedBytes > Self.limit { giveUpLine() }
  }

  private mutating func giveUpLine() { (isTooLong, fields, field, endedBytes) = (true, [], [], 0) }
}
