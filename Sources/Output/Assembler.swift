package import Messaging
import Platform
import SQLite
import Wire

/// Puts images together from their segments, on disk. Runs within the catalog's transaction, but for the letters.
package final class Assembler {
  private let output: OutputFolder
  private let catalog: Catalog
  private let letters: any DeadLetterSink
  /// Reads a message again by its offset, for the dead letters; nil where the topic has it no more. Throws where that
  /// cannot be known at the moment.
  package var reread: (_ topic: String, _ partition: Int32, _ offset: Int64) throws -> (any Message)? = { _, _, _ in nil
  }

  /// Whether older versions of images are to be passed over.
  var hasPast = false
  /// How often long work polls, in ms.
  var beatMilliseconds = 1_000
  /// How many letters are sent together.
  var mostLetters = 500

  init(output: OutputFolder, catalog: Catalog, letters: any DeadLetterSink) {
    self.output = output
    self.catalog = catalog
    self.letters = letters
  }

  enum Outcome {
    case incomplete
    /// The image stands under its name. The files in `leftovers` are of no use once the transaction is committed.
    case complete(ImageProbe, FileStatus, leftovers: [Catalog.SegmentFile])
    /// It is an older version, which has its row; its file is among the leftovers.
    case past(leftovers: [Catalog.SegmentFile])
    case obstacle(Obstacle)
  }

  /// - Throws: `SegmentFileGone` where the part has to be written again.
  /// - Parameters:
  ///   - name: what the image is to be stored under.
  ///   - mayComplete: false where the name was taken in this transaction: see `Obstacle.transaction`.
  func add(
    _ part: PreparedPart, as name: ImageName, _ message: any Message, _ topic: Catalog.Topic, mayComplete: Bool,
    _ heart: Heartbeat
  ) throws -> Outcome {
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
      return .obstacle(.messages([DeadLetter(message: message, reason: reason)]))
    }
    try check(part)
    let added = Catalog.Part(
      number: segment.index, size: part.size, partition: message.partition, offset: message.offset)
    let have = try catalog.add(added, to: assembly, of: topic, time: Clock.wallMilliseconds)
    // By its bytes too: parts that claim far places make a file with holes, which would be read to its end.
    guard have.parts == assembly.count, have.bytes >= assembly.length else { return .incomplete }
    if try isPast(part, message, topic) { return .past(leftovers: try forget(assembly)) }
    return mayComplete ? try complete(assembly, name, heart) : .obstacle(.transaction)
  }

  /// Parts are written without the lock: another consumer may have put the image together meanwhile, or given it up, or
  /// taken a part that waited for too long for nobody's.
  private func check(_ part: PreparedPart) throws {
    guard let status = try output.segments.status(part.segment.file.name), status.isSameFile(as: part.status),
      status.size >= part.segment.position + part.size
    else { throw SegmentFileGone(name: part.name.value) }
  }

  /// Asked once the image is whole: what was begun before another version may be completed after it.
  private func isPast(_ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic) throws -> Bool {
    try hasPast && catalog.isPast(part.name.value, part.digest, from: message.origin, topic)
  }

  private func complete(_ assembly: Catalog.Assembly, _ name: ImageName, _ heart: Heartbeat) throws -> Outcome {
    do {
      if let (probe, status) = try output.segmentWrites.exclusively(
        assembly.fileName, { try placeIfVerified(assembly, name, heart) })
      {
        FaultPoint.imageAssembled.reached()
        return .complete(probe, status, leftovers: try forget(assembly))
      }
    } catch let refusal as ImageName.Refusal {
      return .obstacle(.image(assembly, BadMessage(refusal)))
    }
    // A batch that was interrupted between rename and commit has placed it already.
    if let status = try output.status(name), status.size == assembly.length, let placed = try output.openFile(name),
      try placed.digest(heart) == assembly.digest
    {
      return .complete(try placed.probe(), status, leftovers: try forget(assembly))
    }
    let reason = BadMessage(
      stage: .conversion, kind: "DigestMismatch",
      description: "the \(assembly.count) segments of \(assembly.name) do not make up \(assembly.length) bytes with "
        + "SHA-256 \(assembly.digest)")
    return .obstacle(.image(assembly, reason))
  }

  /// - Returns: nil where its bytes are not those of the image.
  private func placeIfVerified(
    _ assembly: Catalog.Assembly, _ name: ImageName, _ heart: Heartbeat
  ) throws -> (ImageProbe, FileStatus)? {
    let file = try output.segments.file(assembly.fileName, .readWrite)
    guard try file.status().size == assembly.length, try file.digest(heart) == assembly.digest else { return nil }
    let probe = try file.probe()
    return (
      probe, try output.place(assembly.fileName, in: output.segments, as: name, over: catalog.entry(name.value))
    )
  }

  /// Letters that are sent together: bytes of messages.
  private static let letterBytes = 8 << 20

  /// Delivers the letters of all of an image's messages, some at a time, whatever the image's size. Outside of any
  /// transaction.
  /// - Returns: how many were found, and the offsets that the topic has no more; nil where the delivery was given up.
  func deliverLetters(
    of assembly: Catalog.Assembly, _ reason: BadMessage, _ topic: String, having messages: [any Message] = []
  ) throws -> (found: Int, gone: [Int64])? {
    var count = 0
    var gone: [Int64] = []
    var pending: [DeadLetter] = []
    var bytes = 0
    func flush() throws -> Bool {
      defer { (pending, bytes) = ([], 0) }
      return try letters.deliver(pending)
    }
    // Each may have to be read again, for seconds where the broker is slow.
    let heart = Heartbeat(every: beatMilliseconds, goesOn: letters.whileWaiting)
    for part in try catalog.parts(of: assembly) {
      do { try heart.beat() } catch { return nil }
      let atHand = messages.first { $0.partition == part.partition && $0.offset == part.offset }
      // Where the topic was made anew, another message stands there.
      guard let message = try atHand ?? reread(topic, part.partition, part.offset),
        Self.isPart(message, part.number, of: assembly)
      else {
        gone.append(part.offset)
        continue
      }
      count += 1
      pending.append(DeadLetter(message: message, reason: reason))
      bytes += message.size
      if bytes >= Self.letterBytes || pending.count >= mostLetters {
        guard try flush() else { return nil }
      }
    }
    guard try flush() else { return nil }
    return (count, gone)
  }

  /// Forgets an image and all other cuts of it, which have lost their purpose too. Within the transaction.
  /// - Returns: files among the segments that are of no use once that is committed.
  func forget(_ assembly: Catalog.Assembly) throws -> [Catalog.SegmentFile] {
    let all = try catalog.assemblies(segmentID: assembly.segmentID)
    for other in all { try catalog.remove(other) }
    return all.map(\.file)
  }

  private static func isPart(_ message: any Message, _ number: Int, of assembly: Catalog.Assembly) -> Bool {
    guard let segment = (try? ImageHeaders(message.header))?.segment else { return false }
    return segment.id == assembly.segmentID && segment.count == assembly.count && segment.index == number
  }
}

/// A part of an image was removed before the transaction could record it.
package struct SegmentFileGone: Error, CustomStringConvertible {
  let name: String
  package var description: String {
    "segments of \(name) were removed again and again before they could be recorded. Let no other program remove files in "
      + "PROCESSED_IMAGES_DIR/.image-pipeline"
  }
}
