import Messaging
import Platform
import Telemetry

/// What keeps a message from being stored in the open transaction. Dead letters wait until the transaction is closed,
/// because no other consumer can store while this one holds the catalog's lock.
package enum Obstacle {
  /// These messages cannot be stored. The first of them is the one at which the transaction stopped.
  case messages([DeadLetter])
  /// This message completes an image that cannot be stored: all of the image's messages become dead letters.
  case image(Catalog.Assembly, BadMessage)
  /// Nothing is wrong with the message, but it must not share a transaction with another one of the same name. An
  /// assembled image has no other copy of its bytes once it has its name. If another image replaced it there, it could
  /// not be assembled again after a crash.
  case transaction
}

/// Which of a batch's messages have their dead letters. All attempts share this object, so that a further attempt does
/// not send them again.
package final class Findings {
  /// A message that is only skipped, because its dead letters are safe.
  struct Finding {
    /// The kind of the dead letter, as in `BadMessage`.
    let kind: String
    var letters = 1
    /// The assembly that the message completed, which the transaction forgets.
    var image: Catalog.Assembly?
  }

  var settled: [MessagePlace: Finding] = [:]
}

/// The partition and offset of a message, which identify it within its topic.
package struct MessagePlace: Hashable {
  let partition: Int32
  let offset: Int64
}

extension Message {
  var place: MessagePlace { MessagePlace(partition: partition, offset: offset) }
}

extension ImageStore {
  /// Delivers dead letters, and notes that their messages have them.
  /// - Returns: false if the delivery was given up.
  func deliver(_ refused: [DeadLetter], _ findings: Findings) throws -> Bool {
    guard try letters.deliver(refused) else { return false }
    if !refused.isEmpty { FaultPoint.lettersDelivered.reached() }
    for letter in refused { findings.settled[letter.message.place] = Findings.Finding(kind: letter.reason.kind) }
    return true
  }

  /// Delivers the dead letters that the previous transaction could not.
  /// - Returns: false if the delivery was given up.
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
      batch.findings.settled[first.place] = Findings.Finding(
        kind: reason.kind, letters: sent.found, image: assembly)
      return true
    case .transaction, nil: return true
    }
  }

  /// The part of a batch that the open transaction leaves to the next one.
  func rest(
    of batch: Batch, from number: Int, _ obstacle: Obstacle, _ prepared: [Prepared],
    _ positions: [Int32: Catalog.Position]
  ) throws -> Batch {
    var rest = Batch(
      topic: batch.topic, messages: Array(batch.messages[number...]),
      base: batch.base.merging(positions.mapValues { .some($0) }) { $1 }, lost: batch.lost, findings: batch.findings,
      obstacle: obstacle)
    // They are in the receipts of this transaction.
    for partition in positions.keys { rest.lost[partition] = nil }
    if case .messages(var refused) = obstacle {
      // If one name is refused, others may be refused too. All dead letters of a batch are sent together.
      for (message, result) in zip(batch.messages, prepared).dropFirst(number + 1) {
        guard case .image(let image) = result, let refusal = try place.refusal(of: image) else { continue }
        refused.append(DeadLetter(message: message, reason: BadMessage(refusal)))
      }
      rest.obstacle = .messages(refused)
    }
    return rest
  }
}
