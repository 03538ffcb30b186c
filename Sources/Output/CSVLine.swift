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
    let fields = [
      row.filePath, harmless(row.label), row.digest.hex, String(row.size), row.format,
      row.width.map { String($0) } ?? "", row.height.map { String($0) } ?? "", row.topic,
      row.partition < 0 ? "" : String(row.partition), row.offset < 0 ? "" : String(row.offset),
      row.sentTime.map { WallClock.iso8601(milliseconds: $0) } ?? "", WallClock.iso8601(milliseconds: row.storedTime),
    ]
    return Array((fields.map(quoted).joined(separator: ",") + "\n").utf8)
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

  private static func quoted(_ field: String) -> String {
    // By bytes: to Swift, a quote followed by a combining accent is another character.
    guard field.utf8.contains(where: { [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D].contains($0) }) else {
      return field
    }
    var bytes: [UInt8] = [UInt8(ascii: "\"")]
    for byte in field.utf8 {
      if byte == UInt8(ascii: "\"") { bytes.append(byte) }
      bytes.append(byte)
    }
    bytes.append(UInt8(ascii: "\""))
    return String(decoding: bytes, as: UTF8.self)
  }
}
