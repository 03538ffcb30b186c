import Glibc
import Kafka
import Platform
import Wire

/// A file that was taken to be sent: it is finished, as far as anybody can tell.
struct Candidate: Sendable {
  let path: String
  /// The stamp with which the file was found finished; nil if an event said so, whatever its stamp.
  let stamp: FileStamp?
  /// The hash of the version that was sent last; nil if none was.
  let sent: Digest?
  /// Whether the file was quiet for a while. Then it is sent as it is, even if it is empty.
  let hasSettled: Bool
  /// How often the file was taken too early before.
  var tries = 0
  /// When it was taken, in ms since 1970.
  let seen = WallClock.milliseconds
}

/// Turns files into messages: reads a file, hashes it and encodes it into the buffer that librdkafka takes over.
/// Several threads call `run`; the segments of an image are sent by one thread, in order.
final class Sender: Sendable {
  private let session: ProducerSession
  private let clients: SendingClients
  private let deliveries: DeliveryHandler
  private let buffers = BufferPool()
  private var outbox: Outbox { session.outbox }
  private var events: ProducerEvents { session.events }
  private var stop: StopFlag { session.ending }
  /// The most bytes of an image that one message carries.
  private var segmentBytes: Int { session.settings.segmentBytes }

  init(_ session: ProducerSession, clients: SendingClients, deliveries: DeliveryHandler) {
    self.session = session
    self.clients = clients
    self.deliveries = deliveries
  }

  /// Sends candidates until the queue is closed and empty, or `stop` is set.
  func run(_ candidates: BoundedQueue<Candidate>) {
    while let candidate = next(candidates) {
      session.hold.wait(stop)
      var images = [load(candidate)].compactMap { $0 }
      // Two at a time, because their hashes are computed together. Nobody else can send what is taken here, so nothing is
      // taken that would wait for a large image.
      if images.first?.isWhole == true, let another = candidates.pop(timeout: .zero).flatMap(load) {
        images.append(another)
      }
      let whole = images.compactMap(\.whole)
      for (image, digest) in zip(whole, SHA256.hashes(of: whole)) {
        attempt(image.candidate) { try send(image, digest) }
      }
      for case .large(let file, let before, let name, let candidate) in images {
        attempt(candidate) { try sendSegments(file, before, name, candidate) }
      }
    }
  }

  /// Gives the path back if the body fails.
  private func attempt(_ candidate: Candidate, _ body: () throws -> Void) {
    do {
      if stop.isSet { throw SendingStopped() }
      try body()
    } catch is SendingStopped {
      outbox.release(candidate.path)
    } catch let reason as UnfinishedFile {
      deliveries.releaseUnfinished(candidate.path, reason, tries: candidate.tries)
    } catch let error as SystemError where error.code == ENOENT {
      events.vanished(candidate.path)
      outbox.release(candidate.path)
    } catch {
      events.refused(candidate.path, error)
      outbox.release(candidate.path)
    }
  }

  /// The next candidate; nil at the end. If none is available, messages that linger to fill a batch are sent at once.
  private func next(_ candidates: BoundedQueue<Candidate>) -> Candidate? {
    if let candidate = candidates.pop(timeout: .zero) { return candidate }
    while !candidates.isFinished {
      if outbox.inFlight > 0 { clients.flush(timeout: .milliseconds(20)) }
      if let candidate = candidates.pop(timeout: .milliseconds(50)) { return candidate }
    }
    return nil
  }

  private enum Image {
    /// It fits into one message.
    case whole(WholeImage)
    /// It is sent in segments. The status is that before it was read.
    case large(File, FileStatus, ImageName, Candidate)

    var whole: WholeImage? { if case .whole(let image) = self { image } else { nil } }
    var isWhole: Bool { whole != nil }
  }

  /// Opens a file, and reads it if it fits into one message.
  /// - Returns: nil if the path was given back: there is nothing to send, or the file was taken too early.
  private func load(_ candidate: Candidate) -> Image? {
    var image: Image?
    attempt(candidate) {
      let name = try ImageName(session.settings.namePrefix + candidate.path)
      let file = try File.open(session.settings.input + "/" + candidate.path, .read)
      let before = try file.status()
      guard before.kind == .regular else { return outbox.release(candidate.path) }
      guard candidate.stamp == nil || candidate.stamp == FileStamp(before) else { throw UnfinishedFile.changes }
      if !candidate.hasSettled, before.size == 0 || !file.hasData { throw UnfinishedFile.isPlaceholder }
      if file.writers() == .some { throw UnfinishedFile.isOpen }
      image =
        before.size > segmentBytes
        ? .large(file, before, name, candidate) : .whole(try WholeImage(candidate, name, file, before, buffers))
    }
    return image
  }

  private func isUnchanged(_ file: File, _ before: FileStatus) throws -> Bool {
    // By path, because a rename of another file over this one leaves the open file as it was. The inode in the stamp
    // shows whether it is still the same file.
    try FileStatus.of(file.path).map { FileStamp($0) } == FileStamp(before)
  }

  /// Whether exactly these bytes were already sent under this name: the file was only touched, or restored. If so, this
  /// records it in the ledger.
  private func recordIfSent(_ candidate: Candidate, _ before: FileStatus, _ digest: Digest) -> Bool {
    guard candidate.sent == digest else { return false }
    session.writer.add(.known(path: candidate.path, stamp: FileStamp(before), digest: digest))
    return true
  }

  /// Has the ledger doubt the version that was sent last, because another one is about to be sent. Otherwise, if this
  /// process were killed and the file became the old version again, that one would not be sent again.
  /// - Returns: false if the ledger cannot be written. Then the file is looked at again.
  private func doubtLastVersion(_ candidate: Candidate) -> Bool {
    guard candidate.sent != nil else { return true }
    do {
      try session.ledger.doubt(candidate.path)
      return true
    } catch {
      events.ledgerFailed(error)
      outbox.release(candidate.path, again: .again)
      return false
    }
  }

  /// When this returns, the path is with the outbox or with the ledger's writer.
  /// - Throws: `UnfinishedFile` if the file was taken too early.
  private func send(_ image: WholeImage, _ digest: Digest) throws {
    let (candidate, before) = (image.candidate, image.before)
    guard try isUnchanged(image.file, before) else { throw UnfinishedFile.changes }
    if recordIfSent(candidate, before, digest) { return }
    guard doubtLastVersion(candidate) else { return }
    do {
      try image.withBytes { bytes in
        try produce(
          bytes, ImageHeaders(digest: digest, length: bytes.count),
          Envelope(name: image.name.value, format: session.settings.format), image.name,
          by: try clients.client(for: bytes)
        ) { [outbox] in outbox.announce(candidate.path, FileStamp(before), digest, bytes: $0, seen: candidate.seen) }
      }
    } catch {
      deliveries.giveUp(candidate.path, error)
    }
    FaultPoint.imageHandedOver.reached()
  }

  /// Sends a file in segments. Reads it twice, because every segment names the hash of the whole.
  private func sendSegments(_ file: File, _ before: FileStatus, _ name: ImageName, _ candidate: Candidate) throws {
    try buffers.withBuffer(segmentBytes + 1) { buffer in
      let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<segmentBytes])
      guard let digest = try digest(of: file, piece) else { return outbox.release(candidate.path) }
      guard try isUnchanged(file, before) else { throw UnfinishedFile.changes }
      if recordIfSent(candidate, before, digest) { return }
      guard doubtLastVersion(candidate) else { return }
      let envelope = Envelope(name: name.value, format: session.settings.format)
      let id = ImageHeaders.Segment.id(name: name.value, digest: digest)
      let count = (before.size + segmentBytes - 1) / segmentBytes
      let flight = outbox.begin(candidate.path, FileStamp(before), digest, seen: candidate.seen)
      var failure: (any Error)?
      do {
        var hash = SHA256()
        // One client for all segments, so that they stay in order.
        var client: KafkaProducer?
        for index in 0..<count {
          if stop.isSet { throw SendingStopped() }
          // The other segments would be refused, too.
          if let refusal = session.hold.refusal, session.hold.isHeld() { throw refusal }
          let position = index * segmentBytes
          let length = try file.read(into: piece, at: position)
          guard length == min(segmentBytes, before.size - position) else { throw FileChanged(tries: candidate.tries) }
          let bytes = UnsafeRawBufferPointer(rebasing: piece[..<length])
          hash.update(bytes)
          // Checked before the last segment is sent, not after: an image that has changed must not look complete.
          if index == count - 1, try hash.finish() != digest || !isUnchanged(file, before) {
            throw FileChanged(tries: candidate.tries)
          }
          let chosen = try client ?? clients.client(for: bytes)
          client = chosen
          let segment = ImageHeaders.Segment(id: id, index: index, count: count, position: position)
          try produce(
            bytes, ImageHeaders(digest: digest, length: before.size, segment: segment), envelope, name, by: chosen
          ) { [outbox] in outbox.add(to: flight, bytes: $0) }
          if index < count - 1 { FaultPoint.segmentHandedOver.reached() }
        }
      } catch {
        failure = error
      }
      deliveries.finish(outbox.end(flight, failure: failure))
    }
  }

  /// nil if `stop` is set.
  private func digest(of file: File, _ piece: UnsafeMutableRawBufferPointer) throws -> Digest? {
    var hash = SHA256()
    var place = 0
    while true {
      if stop.isSet { return nil }
      let count = try file.read(into: piece, at: place)
      if count == 0 { return hash.finish() }
      hash.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
      place += count
    }
  }

  /// Hands one message to the client. Waits while too much is in flight.
  /// - Parameter announce: takes the message's size, and returns its token.
  private func produce(
    _ bytes: UnsafeRawBufferPointer, _ headers: ImageHeaders, _ envelope: Envelope, _ name: ImageName,
    by client: KafkaProducer, announce: (Int) -> UInt64
  ) throws {
    let kafkaHeaders = headers.kafkaHeaders + envelope.headers
    let key = Array(name.value.utf8)
    let size = envelope.size(carrying: bytes.count)
    let total = size + key.count + kafkaHeaders.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
    while !session.budget.acquire(total, timeout: .milliseconds(100)) {
      if stop.isSet { throw SendingStopped() }
      // With many partitions, the whole budget may be in batches that wait to be filled.
      clients.flush(timeout: .milliseconds(1))
    }
    let payload = PayloadBuffer(capacity: size)
    envelope.write(bytes, to: payload.bytes.baseAddress!)
    payload.count = size
    let token = announce(total)
    do {
      try key.withUnsafeBytes { key in
        while case .queueFull = try client.send(
          topic: session.settings.topic, key: key, payload: payload, headers: kafkaHeaders, token: token)
        {
          if stop.wait(for: .milliseconds(5)) { throw SendingStopped() }
        }
      }
    } catch {
      _ = outbox.settle(token, failure: error)
      session.budget.failed(total)
      throw error
    }
  }
}
