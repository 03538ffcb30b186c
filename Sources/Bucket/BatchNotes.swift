import Wire

/// The parts of a batch that are not rows, for a consumer that continues after a crash.
struct BatchNotes: Equatable {
  /// Offsets of segments that are stored and whose images are incomplete. They are read again from the topic.
  var open: [Range<Int64>] = []
  /// The receipt for the images that have no row, and for offsets that were lost.
  var receipt: Receipt?

  var isEmpty: Bool { open.isEmpty && receipt == nil }

  /// - Parameter offsets: in order.
  static func ranges(_ offsets: [Int64]) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    for offset in offsets {
      if let last = ranges.last, last.upperBound == offset {
        ranges[ranges.count - 1] = last.lowerBound..<offset + 1
      } else {
        ranges.append(offset..<offset + 1)
      }
    }
    return ranges
  }

  var json: [UInt8] {
    var text = Array("{\"open\":[\(open.map { "[\($0.lowerBound),\($0.upperBound)]" }.joined(separator: ","))]".utf8)
    if let receipt { text += Array(",\"receipt\":".utf8) + receipt.values(ofAbout: .max)[0] }
    return text + Array("}".utf8)
  }

  init(open: [Range<Int64>] = [], receipt: Receipt? = nil) {
    self.open = open
    self.receipt = receipt
  }

  init(_ bytes: [UInt8], key: String) throws {
    do {
      self = try bytes.withUnsafeBytes { (text) throws(EnvelopeError) in
        var notes = BatchNotes()
        var scanner = JSONScanner(text)
        try scanner.members { (scanner, key) throws(EnvelopeError) in
          switch key {
          case "open":
            try scanner.elements { (scanner) throws(EnvelopeError) in
              var ends: [Int64] = []
              try scanner.elements { (scanner) throws(EnvelopeError) in ends.append(try scanner.integer(of: "open")) }
              guard ends.count == 2, ends[0] < ends[1] else { throw EnvelopeError("a range needs two offsets") }
              notes.open.append(ends[0]..<ends[1])
            }
          case "receipt":
            let start = scanner.place
            try scanner.skipValue()
            notes.receipt = try Receipt(value: UnsafeRawBufferPointer(rebasing: text[start..<scanner.place]))
          default: try scanner.skipValue()
          }
        }
        return notes
      }
    } catch let error as EnvelopeError {
      throw DamagedLog(key: key, reason: error.description)
    }
  }
}
