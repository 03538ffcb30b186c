import Messaging
import Platform
import Telemetry

/// What keeps a message from being stored in the transaction that is open. Letters wait until it is closed: while a
/// consumer holds the catalog's lock no other one can store.
package enum Obstacle {
  /// These messages cannot be stored, the first of them here and now.
  case messages([DeadLetter])
  /// With this message an image is together that cannot be stored: all of its messages are letters.
  case image(Catalog.Assembly, BadMessage)
  /// Nothing is wrong with it, but it must not share a transaction with another one of its name: an image that is put
  /// together takes its bytes with it when it gets its name, and after a crash could not be put together again.
  case transaction
}

/// Which of a batch's messages have their letters; shared by all attempts, so that what is tried again does not send them
/// again.
package final class Findings {
  /// A message that is only passed over, since its letters are safe.
  struct Finding {
    var letters = 1
    /// What was being put together with it, and is forgotten now.
    var image: Catalog.Assembly?
  }

  var settled: [MessagePlace: Finding] = [:]
}

/// Where a message of a topic is.
package struct MessagePlace: Hashable {
  let partition: Int32
  let offset: Int64
}

extension Message {
  var place: MessagePlace { MessagePlace(partition: partition, offset: offset) }
}

extension ImageStore {
  /// - Returns: false where that was given up.
  func deliver(_ refused: [DeadLetter], _ findings: Findings) throws -> Bool {
    guard try letters.deliver(refused) else { return false }
    if !refused.isEmpty { FaultPoint.lettersDelivered.reached() }
    for letter in refused { findings.settled[letter.message.place] = Findings.Finding() }
    return true
  }

  /// Delivers what the transaction before could not.
  /// - Returns: false where that was given up.
  func deliverLetters(of batch: Batch) throws -> Bool {
    switch batch.obstacle {
    case .messages(let refused):
      return try deliver(refused.filter { batch.findings.settled[$0.message.place] == nil }, batch.findings)
    case .image(let assembly, let reason):
      guard let first = batch.messages.first, batch.findings.settled[first.place] == nil else { return true }
      guard let sent = try assembler.deliverLetters(of: assembly, reason, first.topic, having: batch.messages) else {
        return false
      }
      FaultPoint.lettersDelivered.reached()
      batch.findings.settled[first.place] = Findings.Finding(letters: sent.found, image: assembly)
      return true
    case .transaction, nil: return true
    }
  }

  /// The part of a batch that the open transaction leaves for the next one.
  func rest(
    of batch: Batch, from number: Int, _ obstacle: Obstacle, _ prepared: [Prepared],
    _ positions: [Int32: Catalog.Position]
  ) throws -> Batch {
    var rest = Batch(
      topic: batch.topic, messages: Array(batch.messages[number...]),
      base: batch.base.merging(positions.mapValues { .some($0) }) { $1 }, findings: batch.findings, obstacle: obstacle)
    if case .messages(var refused) = obstacle {
      // Where one name cannot be had, others may be the same: all letters of a batch are sent together.
      for (message, result) in zip(batch.messages, prepared).dropFirst(number + 1) {
        guard case .image(let image) = result else { continue }
        let name = try nameToStore(image.name, image.digest)
        guard let refusal = try output.refusal(of: name, over: catalog.entry(name.value)) else { continue }
        refused.append(DeadLetter(message: message, reason: BadMessage(refusal)))
      }
      rest.obstacle = .messages(refused)
    }
    return rest
  }
}
