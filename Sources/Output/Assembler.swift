package import Messaging
import Platform
import SQLite
import Wire

/// Assembles images from their segments, on disk. Runs within the catalog's transaction, except for the delivery of
/// dead letters.
package final class Assembler {
  private let segments: SegmentFiles
  private let catalog: Catalog
  private let place: any ImagePlace
  private let letters: any DeadLetterSink
  /// Reads a message again by its offset, for its dead letter; returns nil if the topic no longer has it. Throws if
  /// that cannot be determined at the moment.
  package var reread: (_ topic: String, _ partition: Int32, _ offset: Int64) throws -> (any Message)? = { _, _, _ in nil
  }

  /// The interval at which long work polls.
  var beat = Duration.seconds(1)
  /// The most dead letters that are delivered together.
  var mostLetters = 500

  init(_ segments: SegmentFiles, _ catalog: Catalog, _ place: any ImagePlace, letters: any DeadLetterSink) {
    self.segments = segments
    self.catalog = catalog
    self.place = place
    self.letters = letters
  }

  enum Outcome {
    case incomplete
    /// The image is stored. The files in `leftovers` are not needed once the transaction is committed.
    case complete(StoredImage, leftovers: [Catalog.SegmentFile])
    /// The output has exactly this image from another message.
    case unchanged(leftovers: [Catalog.SegmentFile])
    /// The image is an older version, which has its row. Its file is among the leftovers.
    case past(leftovers: [Catalog.SegmentFile])
    case obstacle(Obstacle)
  }

  /// Records a part. If it is the last one, verifies the image and stores it.
  /// - Throws: `SegmentFileGone` if the part has to be written again.
  func add(
    _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Outcome {
    switch try record(part, message, topic) {
    case .refused(let letter): return .obstacle(.messages([letter]))
    case .recorded(let assembly, let isComplete):
      guard isComplete else { return .incomplete }
      if try place.isPast(part.name, part.digest, message, topic) { return .past(leftovers: try forget(assembly)) }
      return try complete(assembly, part, message, topic, heart)
    }
  }

  /// What `record` found.
  enum Recorded {
    case recorded(Catalog.Assembly, isComplete: Bool)
    case refused(DeadLetter)
  }

  /// Records a part.
  func record(_ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic) throws -> Recorded {
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
      return .refused(DeadLetter(message: message, reason: reason))
    }
    try check(part)
    let added = Catalog.Part(
      number: segment.index, size: part.size, partition: message.partition, offset: message.offset)
    let have = try catalog.add(added, to: assembly, of: topic, time: WallClock.milliseconds)
    // Their bytes count too: parts that claim distant positions make a sparse file, which would be read to its end.
    return .recorded(assembly, isComplete: have.parts == assembly.count && have.bytes >= assembly.length)
  }

  /// Parts are written without the lock. Meanwhile another consumer may have assembled the image, given it up, or
  /// removed the part's file as an orphan because it waited for too long.
  private func check(_ part: PreparedPart) throws {
    guard let status = try segments.folder.status(part.segment.file.name), status.isSameFile(as: part.status),
      status.size >= part.segment.position + part.size
    else { throw SegmentFileGone(name: part.name.value) }
  }

  private func complete(
    _ assembly: Catalog.Assembly, _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic,
    _ heart: Heartbeat
  ) throws -> Outcome {
    switch try store(assembly, part, message, topic, heart) {
    case .stored(let image):
      FaultPoint.imageAssembled.reached()
      return .complete(image, leftovers: try forget(assembly))
    case .unchanged: return .unchanged(leftovers: try forget(assembly))
    case .past: return .past(leftovers: try forget(assembly))
    case .refused(let refusal): return .obstacle(.image(assembly, BadMessage(refusal)))
    case .nextTransaction: return .obstacle(.transaction)
    case nil:
      let reason = BadMessage(
        stage: .conversion, kind: "DigestMismatch",
        description: "the \(assembly.count) segments of \(assembly.name) do not make up \(assembly.length) bytes with "
          + "SHA-256 \(assembly.digest)")
      return .obstacle(.image(assembly, reason))
    }
  }

  /// - Returns: nil if the file's bytes are not those of the image.
  private func store(
    _ assembly: Catalog.Assembly, _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic,
    _ heart: Heartbeat
  ) throws -> Placement? {
    if let image = part.image { return try place.store(image, of: message, topic, heart) }
    let file = assembly.fileName
    let placement = try segments.writes.exclusively(file) {
      try segments.verified(file, part.name, assembly.digest, length: assembly.length, heart)
        .map { try place.store($0, of: message, topic, heart) }
    }
    // An interrupted batch may have stored the image without committing that.
    return try placement ?? place.storedBefore(assembly, part.name, of: message, topic, heart)
  }

  /// The size at which pending dead letters are delivered, in bytes of their messages.
  private static let letterBytes = 8 << 20

  /// Delivers dead letters for all of an image's messages, a limited number at a time, whatever the image's size. To be
  /// called outside of any transaction.
  /// - Returns: how many messages were found, and the offsets that the topic no longer has; nil if the delivery was
  ///   given up.
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
    // Each message may have to be read again, which takes seconds if the broker is slow.
    let heart = Heartbeat(every: beat, goesOn: letters.whileWaiting)
    for part in try catalog.parts(of: assembly) {
      do { try heart.beat() } catch { return nil }
      let atHand = messages.first { $0.partition == part.partition && $0.offset == part.offset }
      // If the topic was re-created, another message may have this offset.
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

  /// Forgets an image, including all other cuts of it, which are not needed any more either. To be called within the
  /// transaction.
  /// - Returns: segment files that are not needed once the transaction is committed.
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

/// The file of a part was removed before the transaction could record the part.
package struct SegmentFileGone: Error, CustomStringConvertible {
  let name: String
  package var description: String {
    "segments of \(name) were removed repeatedly before they could be recorded. Keep other programs from removing files in "
      + "PROCESSED_IMAGES_DIR/.image-pipeline"
  }
}
