import Platform

extension Receipt {
  /// The message's key. Receipts of one partition of an output stay in order, whatever the number of the topic's
  /// partitions.
  package var key: [UInt8] { Array("\(output)/\(topic)/\(partition)".utf8) }

  /// The messages' values, as JSON. There are several if there are too many images for one. Each then covers its own
  /// part of the range.
  /// - Parameter size: bytes from which on an image begins another message.
  package func values(ofAbout size: Int) -> [[UInt8]] {
    var values: [[UInt8]] = []
    var (list, from) = ([UInt8](), offsets.lowerBound)
    for (number, image) in images.enumerated() {
      list += list.isEmpty ? [] : [UInt8(ascii: ",")]
      image.write(to: &list)
      guard list.count >= size, number + 1 < images.count else { continue }
      values.append(value(from..<image.offset + 1, images: list, lost: []))
      (list, from) = ([], image.offset + 1)
    }
    values.append(value(from..<offsets.upperBound, images: list, lost: lost))
    return values
  }

  private func value(_ offsets: Range<Int64>, images: [UInt8], lost: [Range<Int64>]) -> [UInt8] {
    var text = Array("{\"output\":".utf8)
    text.appendJSON(output)
    text += ",\"topic\":".utf8
    text.appendJSON(topic)
    text += ",\"partition\":\(partition),\"from\":\(offsets.lowerBound),\"next\":\(offsets.upperBound)".utf8
    text += ",\"time\":\(time),\"images\":[".utf8
    text += images
    text += "]".utf8
    if !lost.isEmpty {
      let ranges = lost.map { "{\"from\":\($0.lowerBound),\"next\":\($0.upperBound)}" }
      text += ",\"lost\":[\(ranges.joined(separator: ","))]".utf8
    }
    text += "}".utf8
    return text
  }

  /// Reads a message's value. Unknown keys are passed over.
  package init(value: UnsafeRawBufferPointer) throws(EnvelopeError) {
    var (output, topic) = (String?.none, String?.none)
    var numbers: [String: Int64] = [:]
    var (images, lost) = ([Image](), [Range<Int64>]())
    var scanner = JSONScanner(value)
    try scanner.members { (scanner, key) throws(EnvelopeError) in
      switch key {
      case "output": output = try scanner.string(of: key).string(in: value)
      case "topic": topic = try scanner.string(of: key).string(in: value)
      case "partition", "from", "next", "time": numbers[key] = try scanner.integer(of: key)
      case "images":
        try scanner.elements { (scanner) throws(EnvelopeError) in images.append(try Image(&scanner, in: value)) }
      case "lost": try scanner.elements { (scanner) throws(EnvelopeError) in lost.append(try scanner.range()) }
      default: try scanner.skipValue()
      }
    }
    guard scanner.isAtEnd else { throw EnvelopeError("unexpected data after the receipt") }
    guard let output, let topic, let partition = numbers["partition"].flatMap(Int32.init(exactly:)),
      let from = numbers["from"], let next = numbers["next"], from <= next
    else { throw EnvelopeError("a receipt without output, topic, partition, or from and next") }
    self.init(
      output: output, topic: topic, partition: partition, offsets: from..<next, time: numbers["time"] ?? 0,
      images: images, lost: lost)
  }
}

extension Receipt.Image {
  fileprivate func write(to text: inout [UInt8]) {
    text += "{\"offset\":\(offset)".utf8
    if let name {
      text += ",\"name\":".utf8
      text.appendJSON(name)
    }
    if let digest { text += ",\"sha256\":\"\(digest.hex)\"".utf8 }
    if let length { text += ",\"length\":\(length)".utf8 }
    switch outcome {
    case .stored: break
    case .unchanged: text += ",\"outcome\":\"unchanged\"".utf8
    case .superseded: text += ",\"outcome\":\"superseded\"".utf8
    case .deadLetter(let reason):
      text += ",\"outcome\":\"dead_letter\",\"reason\":".utf8
      text.appendJSON(reason)
    }
    text += "}".utf8
  }

  fileprivate init(_ scanner: inout JSONScanner, in value: UnsafeRawBufferPointer) throws(EnvelopeError) {
    var (name, hex, outcome, reason) = (String?.none, String?.none, "stored", "")
    var (offset, length) = (Int64?.none, Int64?.none)
    try scanner.members { (scanner, key) throws(EnvelopeError) in
      switch key {
      case "offset": offset = try scanner.integer(of: key)
      case "name": name = try scanner.string(of: key).string(in: value)
      case "sha256": hex = try scanner.string(of: key).string(in: value)
      case "length": length = try scanner.integer(of: key)
      case "outcome": outcome = try scanner.string(of: key).string(in: value)
      case "reason": reason = try scanner.string(of: key).string(in: value)
      default: try scanner.skipValue()
      }
    }
    guard let offset else { throw EnvelopeError("an image without its offset") }
    let known: Receipt.Outcome =
      switch outcome {
      case "stored": .stored
      case "unchanged": .unchanged
      case "superseded": .superseded
      case "dead_letter": .deadLetter(reason: reason)
      // A later version's. It confirms nothing. The image is not lost either: sent again, it would have the same outcome.
      default: .deadLetter(reason: reason.isEmpty ? outcome : reason)
      }
    self.init(
      offset: offset, name: name, digest: hex.flatMap(Digest.init(hex:)), length: length.map(Int.init),
      outcome: known)
  }
}

extension JSONScanner {
  /// An object with two numbers, `from` and `next`.
  fileprivate mutating func range() throws(EnvelopeError) -> Range<Int64> {
    var numbers: [String: Int64] = [:]
    try members { (scanner, key) throws(EnvelopeError) in numbers[key] = try scanner.integer(of: key) }
    guard let from = numbers["from"], let next = numbers["next"], from <= next else {
      throw EnvelopeError("a range without from and next")
    }
    return from..<next
  }
}
