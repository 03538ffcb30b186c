import Glibc
import Kafka
import Platform
import Wire

/// A file that is taken: finished, as far as anybody can tell.
struct Candidate: Sendable {
  let path: String
  /// How it looked when it was found finished; nil if an event said so, whatever it looks like.
  let stamp: FileStamp?
  /// The hash of the version that was sent last, if any was.
  let sent: Digest?
  /// It was quiet for a while, so it is what it is, even if it is empty.
  let hasSettled: Bool
  /// How often it was taken before, too early.
  var tries = 0
}

/// Bytes of a file → message. Reads, hashes, encodes into the buffer that librdkafka takes over. Several threads run one
/// `send` each; the segments of an image are sent by one, in order.
final class Sender: Sendable {
  private let input: String
  private let topic: String
  private let namePrefix: String
  /// The most bytes of an image that one message carries.
  private let segmentBytes: Int
  private let format: WireFormat
  private let clients: SendingClients
  private let budget: any SendBudget
  private let hold: SendingHold
  private let outbox: Outbox
  private let sentTopic: SentTopic
  private let writer: LedgerWriter
  private let events: ProducerEvents
  private let stop: StopFlag
  private let buffers = BufferPool()

  init(
    input: String, topic: String, namePrefix: String = "", segmentBytes: Int, format: WireFormat,
    clients: SendingClients, budget: any SendBudget, hold: SendingHold, outbox: Outbox,
    sentTopic: SentTopic, writer: LedgerWriter, events: ProducerEvents, stop: StopFlag
  ) {
    self.input = input
    self.topic = topic
    self.namePrefix = namePrefix
    self.segmentBytes = segmentBytes
    self.format = format
    self.clients = clients
    self.budget = budget
    self.hold = hold
    self.outbox = outbox
    self.sentTopic = sentTopic
    self.writer = writer
    self.events = events
    self.stop = stop
  }

  /// Sends candidates until the queue is closed and empty, or `stop` is set.
  func run(_ candidates: BoundedQueue<Candidate>) {
    while let candidate = next(candidates) {
      hold.wait(stop)
      if stop.isSet {
        outbox.release(candidate.path)
        continue
      }
      do {
        try send(candidate)
      } catch let reason as UnfinishedFile {
        releaseUnfinished(candidate.path, reason, tries: candidate.tries)
      } catch let error as SystemError where error.code == ENOENT {
        events.vanished(candidate.path)
        outbox.release(candidate.path)
      } catch {
        events.refused(candidate.path, error)
        outbox.release(candidate.path)
      }
    }
  }

  /// The next candidate; nil at the end. Where none is there, what lingers for company is sent on its way at once.
  private func next(_ candidates: BoundedQueue<Candidate>) -> Candidate? {
    if let candidate = candidates.pop(timeoutMilliseconds: 0) { return candidate }
    while !candidates.isFinished {
      if outbox.inFlight > 0 { clients.flush(timeoutMilliseconds: 20) }
      if let candidate = candidates.pop(timeoutMilliseconds: 50) { return candidate }
    }
    return nil
  }

  /// When it returns, the outbox or the ledger's writer has the path.
  /// - Throws: `UnfinishedFile` if it was taken too early.
  private func send(_ candidate: Candidate) throws {
    let name = try ImageName(namePrefix + candidate.path)
    let file = try File.open(input + "/" + candidate.path, .read)
    let before = try file.status()
    guard before.kind == .regular else { return outbox.release(candidate.path) }
    guard candidate.stamp == nil || candidate.stamp == FileStamp(before) else { throw UnfinishedFile.changes }
    if !candidate.hasSettled, before.size == 0 || !file.hasData { throw UnfinishedFile.isPlaceholder }
    if file.writers() == .some { throw UnfinishedFile.isOpen }
    if before.size <= segmentBytes {
      try sendWhole(file, before, name, candidate)
    } else {
      try sendSegments(file, before, name, candidate)
    }
  }

  private func isUnchanged(_ file: File, _ before: FileStatus) throws -> Bool {
    // By its path: whoever renames another file over it leaves this one as it was.
    // That it is this one its inode tells.
    try FileStatus.of(file.path).map { FileStamp($0) } == FileStamp(before)
  }

  /// True where these very bytes were sent under the name: the file was only touched, or restored.
  private func wasSent(_ candidate: Candidate, _ before: FileStatus, _ digest: Digest) -> Bool {
    guard candidate.sent == digest else { return false }
    writer.add(.known(path: candidate.path, stamp: FileStamp(before), digest: digest))
    return true
  }

  private func sendWhole(_ file: File, _ before: FileStatus, _ name: ImageName, _ candidate: Candidate) throws {
    // One byte more, to see the end of the file.
    try buffers.withBuffer(segmentBytes + 1) { buffer in
      let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(before.size + 1)]), at: 0)
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      let digest = SHA256.hash(bytes)
      guard count == before.size, try isUnchanged(file, before) else { throw UnfinishedFile.changes }
      if wasSent(candidate, before, digest) { return }
      do {
        try produce(
          bytes, ImageHeaders(digest: digest, length: count), Envelope(name: name.value, format: format), name,
          by: try clients.client(for: bytes)
        ) { [outbox] in outbox.announce(candidate.path, FileStamp(before), digest, bytes: $0) }
      } catch {
        gaveUp(candidate.path, error)
      }
      FaultPoint.imageHandedOver.reached()
    }
  }

  /// Reads the file twice: every segment names the hash of the whole.
  private func sendSegments(_ file: File, _ before: FileStatus, _ name: ImageName, _ candidate: Candidate) throws {
    try buffers.withBuffer(segmentBytes + 1) { buffer in
      let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<segmentBytes])
      guard let digest = try digest(of: file, piece) else { return outbox.release(candidate.path) }
      guard try isUnchanged(file, before) else { throw UnfinishedFile.changes }
      if wasSent(candidate, before, digest) { return }
      let envelope = Envelope(name: name.value, format: format)
      let id = ImageHeaders.Segment.id(name: name.value, digest: digest)
      let count = (before.size + segmentBytes - 1) / segmentBytes
      let flight = outbox.begin(candidate.path, FileStamp(before), digest)
      var failure: (any Error)?
      do {
        var hash = SHA256()
        // One for all of them: they stay in their order.
        var client: KafkaProducer?
        for index in 0..<count {
          if stop.isSet { throw SendingStopped() }
          // Its other segments are refused, too.
          if let refusal = hold.refusal, hold.isHeld() { throw refusal }
          let position = index * segmentBytes
          let length = try file.read(into: piece, at: position)
          guard length == min(segmentBytes, before.size - position) else { throw FileChanged(tries: candidate.tries) }
          let bytes = UnsafeRawBufferPointer(rebasing: piece[..<length])
          hash.update(bytes)
          // Before the last segment is out, not after: what has changed must not look whole.
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
      finish(outbox.end(flight, failure: failure))
    }
  }

  /// nil if the run ends.
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

  /// Hands one message to the client. Waits while too much is on its way.
  /// - Parameter announce: takes the message's size, and returns its token.
  private func produce(
    _ bytes: UnsafeRawBufferPointer, _ headers: ImageHeaders, _ envelope: Envelope, _ name: ImageName,
    by client: KafkaProducer, announce: (Int) -> UInt64
  ) throws {
    let kafkaHeaders = headers.kafkaHeaders + envelope.headers
    let key = Array(name.value.utf8)
    let size = envelope.size(carrying: bytes.count)
    let total = size + key.count + kafkaHeaders.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
    while !budget.acquire(total, timeoutMilliseconds: 100) {
      if stop.isSet { throw SendingStopped() }
      // Over many partitions, the whole budget may be in batches that wait to be filled.
      clients.flush(timeoutMilliseconds: 1)
    }
    let payload = PayloadBuffer(capacity: size)
    envelope.write(bytes, to: payload.bytes.baseAddress!)
    payload.count = size
    let token = announce(total)
    do {
      try key.withUnsafeBytes { key in
        while case .queueFull = try client.send(
          topic: topic, key: key, payload: payload, headers: kafkaHeaders, token: token)
        {
          if stop.wait(milliseconds: 5) { throw SendingStopped() }
        }
      }
    } catch {
      _ = outbox.settle(token, failure: error)
      budget.failed(total)
      throw error
    }
  }

  /// A client has a message's report. Called on that client's thread.
  func report(_ report: DeliveryReport, by way: SendingClients.Way) {
    guard let settled = outbox.settle(report.token, failure: report.error) else { return }
    if report.error == nil {
      if hold.end() { events.sendingGoesOn() }
      // Before the image gets to the ledger: its mark goes with it.
      sentTopic.acknowledged(report, key: namePrefix + settled.path, by: way)
      budget.delivered(settled.bytes, partition: report.partition, offset: report.offset)
    } else {
      budget.failed(settled.bytes)
    }
    finish(settled.flight)
  }

  /// All of an image is acknowledged, or something of it never will be.
  private func finish(_ flight: Outbox.Flight?) {
    guard let flight else { return }
    if let failure = flight.failure { return gaveUp(flight.path, failure) }
    FaultPoint.imageAcknowledged.reached()
    writer.add(.sent(flight))
  }

  private func releaseUnfinished(_ path: String, _ reason: UnfinishedFile, tries: Int) {
    events.unfinished(path, reason)
    outbox.release(path, again: .unfinished(reason, tries: tries + 1))
  }

  private func gaveUp(_ path: String, _ failure: any Error) {
    switch failure {
    case let error as FileChanged: releaseUnfinished(path, .changes, tries: error.tries)
    case is SendingStopped: outbox.release(path)
    // That ends the client, and not for this image alone.
    case let error as KafkaError where error.isFatal: outbox.release(path)
    case let error as KafkaError: gaveUp(path, error)
    default:
      events.refused(path, failure)
      outbox.release(path)
    }
  }

  private func gaveUp(_ path: String, _ error: KafkaError) {
    switch error.nature {
    case .handled: return outbox.release(path)
    case .refusedMessage:
      events.refused(path, error)
      return outbox.release(path)
    case .temporary: events.failed(path, error)
    case .missingTopic:
      hold.topicIsMissing()
      events.failed(path, error)
    case .needsPerson:
      hold.refused(error)
      guard !hold.endsRun else {
        events.refused(path, error)
        return outbox.release(path)
      }
      events.heldBack(path, error)
    }
    outbox.release(path, again: .again)
  }
}

/// The file was altered while its segments were sent.
private struct FileChanged: Error {
  let tries: Int
}
/// The run ends.
private struct SendingStopped: Error {}
