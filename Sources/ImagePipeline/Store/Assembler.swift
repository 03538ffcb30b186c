import Kafka
import Platform
import SQLite

/// Puts images together from their segments, on disk. Runs within the catalog's transaction.
final class Assembler {
  private let output: OutputFolder
  private let catalog: Catalog
  private let letters: DeadLetters
  /// Reads a message again by its offset, for the dead letters; nil where the topic has it no more. Throws where that
  /// cannot be known at the moment.
  var reread: (_ topic: String, _ partition: Int32, _ offset: Int64) throws -> KafkaMessage? = { _, _, _ in nil }

  /// Whether the catalog knows of messages before its positions.
  var hasPast = false

  init(output: OutputFolder, catalog: Catalog, letters: DeadLetters) {
    self.output = output
    self.catalog = catalog
    self.letters = letters
  }

  enum Outcome {
    case incomplete
    /// The image stands under its name. The files in `leftovers` are of no use once the transaction is committed.
    case complete(ImageProbe, FileStatus, leftovers: [String])
    /// It is an older version, which has its row; its file is among the leftovers.
    case past(leftovers: [String])
    /// What came together cannot be stored: its messages are dead letters now.
    case buried(letters: Int, leftovers: [String])
  }

  func add(_ part: PreparedPart, _ message: KafkaMessage, _ topic: Catalog.Topic) throws -> Outcome {
    let segment = part.segment
    let assembly =
      try catalog.assembly(segmentID: segment.id, count: segment.count)
      ?? catalog.addAssembly(
        segment, name: part.name.value, digest: part.digest, length: part.length, topic: topic)
    guard assembly.name == part.name.value, assembly.digest == part.digest, assembly.length == part.length else {
      let reason = BadMessage(
        stage: .conversion, kind: "SegmentMismatch",
        description:
          "segment \(segment.id) belongs to \(assembly.name), \(assembly.length) bytes, hash \(assembly.digest)")
      try letters.deliver([DeadLetter(message: message, reason: reason)])
      return .buried(letters: 1, leftovers: [])
    }
    let added = Catalog.Part(
      number: segment.index, size: part.size, partition: message.partition, offset: message.offset)
    let have = try catalog.add(added, to: assembly, time: Clock.wallMilliseconds)
    // By its bytes too: parts that claim far places make a file with holes, which would be read to its end.
    guard have.parts == assembly.count, have.bytes >= assembly.length else { return .incomplete }
    if try isPast(part, message, topic) {
      let leftovers = try catalog.assemblies(segmentID: assembly.segmentID).map(\.fileName)
      try removeAll(assembly)
      return .past(leftovers: leftovers)
    }
    return try complete(assembly, part.name, message)
  }

  /// Asked once the image is whole: what was begun before another version may be completed after it.
  private func isPast(_ part: PreparedPart, _ message: KafkaMessage, _ topic: Catalog.Topic) throws -> Bool {
    try hasPast && catalog.isPast(part.name.value, part.digest, from: message.origin, topic)
  }

  private func complete(_ assembly: Catalog.Assembly, _ name: ImageName, _ message: KafkaMessage) throws -> Outcome {
    // Other segment sizes of the same image, begun before its producer was set up anew, have lost their purpose too.
    let leftovers = try catalog.assemblies(segmentID: assembly.segmentID).map(\.fileName)
    let file = try output.segments.file(assembly.fileName, .readWrite)
    if try file.status().size == assembly.length, try file.digest() == assembly.digest {
      do {
        let probe = try file.probe()
        let status = try output.place(assembly.fileName, in: output.segments, as: name)
        try removeAll(assembly)
        return .complete(probe, status, leftovers: leftovers)
      } catch let refusal as ImageName.Refusal {
        let reason = BadMessage(stage: .storing, kind: "NameRefusal", description: refusal.description)
        return .buried(letters: try bury(assembly, reason, message.topic, having: message).found, leftovers: leftovers)
      }
    }
    // A batch that was interrupted between rename and commit has placed it already.
    if let status = try output.status(name), status.size == assembly.length, let placed = try output.openFile(name),
      try placed.digest() == assembly.digest
    {
      let probe = try placed.probe()
      try removeAll(assembly)
      return .complete(probe, status, leftovers: leftovers)
    }
    let reason = BadMessage(
      stage: .conversion, kind: "DigestMismatch",
      description: "the \(assembly.count) segments of \(assembly.name) do not make up \(assembly.length) bytes with "
        + "SHA-256 \(assembly.digest)")
    return .buried(letters: try bury(assembly, reason, message.topic, having: message).found, leftovers: leftovers)
  }

  /// Makes dead letters of an image's messages, one at a time, whatever the image's size, and forgets it.
  /// Returns how many were found, and the offsets that the topic has no more.
  func bury(
    _ assembly: Catalog.Assembly, _ reason: BadMessage, _ topic: String, having message: KafkaMessage? = nil
  ) throws -> (found: Int, gone: [Catalog.Part]) {
    var count = 0
    var gone: [Catalog.Part] = []
    for part in try catalog.parts(of: assembly) {
      let isAtHand = message?.partition == part.partition && message?.offset == part.offset
      let found = isAtHand ? message : try reread(topic, part.partition, part.offset)
      // Where the topic was made anew, another message stands there.
      if let message = found, Self.isPart(message, part.number, of: assembly) {
        try letters.deliver([DeadLetter(message: message, reason: reason)])
        count += 1
      } else {
        gone.append(part)
      }
    }
    try removeAll(assembly)
    return (count, gone)
  }

  private static func isPart(_ message: KafkaMessage, _ number: Int, of assembly: Catalog.Assembly) -> Bool {
    guard let segment = (try? ImageHeaders(message.header))?.segment else { return false }
    return segment.id == assembly.segmentID && segment.count == assembly.count && segment.index == number
  }

  private func removeAll(_ assembly: Catalog.Assembly) throws {
    for other in try catalog.assemblies(segmentID: assembly.segmentID) { try catalog.remove(other) }
  }
}
