import Platform

/// The format of the CSV file: RFC 4180 quoting, LF line ends (as the scripts' pandas writes them), UTF-8, one header
/// row.
package enum CSVLine {
  static let columns = [
    "file_path", "image_label", "sha256", "size", "format", "width", "height", "topic", "partition", "offset",
    "sent_time", "stored_time",
  ]
  package static let header = Array((columns.joined(separator: ",") + "\n").utf8)

  package static func bytes(_ row: StoredRow) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(row.filePath.utf8.count + row.label.utf8.count + row.topic.utf8.count + 192)
    func comma() { line.append(UInt8(ascii: ",")) }
    func number(_ value: Int?) {
      if let value { line += String(value).utf8 }
      comma()
    }
    append(row.filePath, to: &line)
    comma()
    append(harmless(row.label), to: &line)
    comma()
    row.digest.appendHex(to: &line)
    comma()
    number(row.size)
    append(row.format, to: &line)
    comma()
    number(row.width)
    number(row.height)
    append(row.topic, to: &line)
    comma()
    number(row.partition < 0 ? nil : Int(row.partition))
    number(row.offset < 0 ? nil : Int(row.offset))
    if let sent = row.sentTime { WallClock.appendISO8601(milliseconds: sent, to: &line) }
    comma()
    WallClock.appendISO8601(milliseconds: row.storedTime, to: &line)
    line.append(UInt8(ascii: "\n"))
    return line
  }

  /// Parses what `bytes` writes; nil if the fields are not a row of ours.
  package static func row(_ fields: [String]) -> StoredRow? {
    func isOptionalNumber(_ text: String) -> Bool { text.isEmpty || Int64(text) != nil }
    let sent = fields.count == columns.count && !fields[10].isEmpty ? WallClock.milliseconds(iso8601: fields[10]) : nil
    guard fields.count == columns.count, let digest = Digest(hex: fields[2]), let size = Int(fields[3]),
      fields[5...6].allSatisfy(isOptionalNumber), fields[8...9].allSatisfy(isOptionalNumber),
      sent != nil || fields[10].isEmpty, let stored = WallClock.milliseconds(iso8601: fields[11])
    else { return nil }
    return StoredRow(
      filePath: fields[0], label: original(fields[1]), digest: digest, size: size, format: fields[4],
      width: Int(fields[5]),
      height: Int(fields[6]), topic: fields[7], partition: Int32(fields[8]) ?? -1, offset: Int64(fields[9]) ?? -1,
      sentTime: sent, storedTime: stored)
  }

  /// Parses whole lines, without the header; nil if one of them is not a row of ours.
  package static func rows(_ text: ArraySlice<UInt8>) -> [StoredRow]? {
    var rows: [StoredRow]? = []
    var parser = CSVParser()
    text.withUnsafeBytes { bytes in
      parser.read(bytes) { fields in
        if let row = row(fields) { rows?.append(row) } else { rows = nil }
      }
    }
    return parser.bytesHeld == 0 ? rows : nil
  }

  /// A label that is safe to open in a spreadsheet: one that would be taken for a formula gets an apostrophe before it
  /// (OWASP, "CSV injection"). A label is a name from a message. Plain numbers, which data sets have, stay as they are.
  /// So does the path, which begins with the configured folder.
  private static func harmless(_ label: String) -> String {
    switch label.utf8.first {
    case UInt8(ascii: "="), UInt8(ascii: "@"), 0x09, 0x0D: "'" + label
    case UInt8(ascii: "+"), UInt8(ascii: "-"): isPlainNumber(label.utf8.dropFirst()) ? label : "'" + label
    default: label
    }
  }

  /// The label from which `harmless` made this one.
  private static func original(_ label: String) -> String {
    guard label.utf8.first == UInt8(ascii: "'") else { return label }
    let bare = String(Substring(label.utf8.dropFirst()))
    return harmless(bare) == label ? bare : label
  }

  /// Digits with at most one decimal point among them.
  private static func isPlainNumber(_ text: Substring.UTF8View) -> Bool {
    let digits = text.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    return !digits.isEmpty && text.allSatisfy { digits.contains($0) || $0 == UInt8(ascii: ".") }
      && text.count - digits.count <= 1
  }

  /// Appends a field, in quotes if it needs them.
  private static func append(_ field: String, to line: inout [UInt8]) {
    // By bytes: to Swift, a quote followed by a combining accent is another character.
    let needsQuotes = field.utf8.contains { byte in
      switch byte {
      case UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D: true
      default: false
      }
    }
    guard needsQuotes else {
      line += field.utf8
      return
    }
    line.append(UInt8(ascii: "\""))
    for byte in field.utf8 {
      if byte == UInt8(ascii: "\"") { line.append(byte) }
      line.append(byte)
    }
    line.append(UInt8(ascii: "\""))
  }
}
