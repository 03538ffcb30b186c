import Platform
import Telemetry

/// Replays dead letters in groups. After each group, the acknowledged ones are recorded as replayed.
final class LetterReplay {
  private let service: DeadLetterService
  private let sender: AcknowledgedSender
  private var pending: [DeadLetterService.Found] = []
  private var bytes = 0

  /// The limits of a group: bytes and number of dead letters. A group that reaches one of them is sent.
  private static let mostBytes = 8 << 20
  private static let most = 500

  init(service: DeadLetterService, sender: AcknowledgedSender) {
    self.service = service
    self.sender = sender
  }

  /// Adds a dead letter to the group, and sends the group if it is large enough.
  /// - Parameter letter: nil at the end of a folder or partition, where the group is sent.
  func add(_ letter: DeadLetterService.Found?) throws {
    guard let letter else { return try flush() }
    if let hindrance = letter.hindrance {
      service.log.warning(
        event: "dead_letter_skipped", "a dead letter is not sent back: \(hindrance)",
        ["letter": .string(letter.place.description)])
    }
    pending.append(letter)
    bytes += letter.record.size
    if bytes >= Self.mostBytes || pending.count >= Self.most { try flush() }
  }

  private func flush() throws {
    defer { (pending, bytes) = ([], 0) }
    guard !pending.isEmpty else { return }
    let sendable = pending.filter { $0.hindrance == nil }
    guard
      let failures = sender.send(
        sendable.map(\.record.original), to: service.topic, whileWaiting: { [stop = service.stop] in !stop.isSet })
    else { return }
    var failed: Set<String> = []
    for (letter, failure) in zip(sendable, failures) {
      guard let failure else { continue }
      failed.insert(letter.place.description)
      service.log.error(
        event: "dead_letter_replay_failed", "sending a dead letter back failed: \(failure.reason)",
        ["letter": .string(letter.place.description), "error": .string(failure.name)])
    }
    service.counts.failed += failed.count
    service.counts.sent += sendable.count - failed.count
    FaultPoint.lettersSentBack.reached()
    service.onProgress(service.counts)
    try remember(failed)
  }

  private func remember(_ failed: Set<String>) throws {
    var names: [String] = []
    var folder: LetterFolder?
    for letter in pending where letter.hindrance == nil && !failed.contains(letter.place.description) {
      guard case .disk(let place, let name) = letter.place else { continue }
      folder = place
      names.append(name)
    }
    try folder?.setReplayed(names)
    // An offset means that no dead letter before it waits for a replay. It stays before the first one that failed.
    for letter in pending {
      guard case .topic(let offsets, let partition, let offset) = letter.place else { continue }
      offsets.passed(partition, offset, isDone: !failed.contains(letter.place.description))
    }
    if case .topic(let offsets, let partition, _)? = pending.last?.place { try offsets.commit(partition) }
  }
}
