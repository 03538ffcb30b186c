import Messaging
import Output
import Wire

/// The messages of a batch that are handled before its transaction.
struct SentAhead: Sendable {
  /// A part whose image is looked for.
  struct Look: Sendable {
    let part: PreparedPart
    let message: any Message
    let answer: StoredLook
  }

  /// The indices of the messages whose images are sent.
  private(set) var images: Set<Int> = []
  /// The looks for images whose first segment is in this batch.
  private(set) var looks: [Look] = []
  /// The looks that these parts depend on, by their index.
  private(set) var answers: [Int: StoredLook] = [:]

  /// - Parameters:
  ///   - progress: of the image of each part.
  ///   - late: the names that are left to the transaction. Gets those of this batch.
  init(
    _ results: [Prepared], _ progress: [SegmentRuns.Progress?], _ messages: [any Message], _ late: inout LateNames
  ) {
    for (index, message) in messages.enumerated() {
      guard let name = results[index].image?.name ?? results[index].part?.name else { continue }
      let key = ImageKey(name, message.partition)
      switch progress[index] {
      case nil: if late.admit(key, message.offset, isKnown: true) { images.insert(index) }
      case .unknown: _ = late.admit(key, message.offset, isKnown: false)
      case .incomplete(let look):
        answers[index] = look
        guard let part = results[index].part, part.segment.index == 0 else { continue }
        if late.contains(key) {
          look.set(.left)
        } else {
          looks.append(Look(part: part, message: message, answer: look))
        }
      case .complete(let look):
        answers[index] = look
        let isKnown = results[index].image != nil && !look.isLeft || look.isStored
        guard late.admit(key, message.offset, isKnown: isKnown) else { continue }
        images.insert(index)
        settle(look, results[index].part)
      }
    }
  }

  /// An image whose segments are all in this batch needs no look: the upload itself shows whether the image was stored.
  private mutating func settle(_ look: StoredLook, _ part: PreparedPart?) {
    if part?.segment.index == 0 { look.set(.notStored) }
    guard let first = looks.firstIndex(where: { $0.answer === look }) else { return }
    look.set(.notStored)
    looks.remove(at: first)
  }

  /// The names of the images that are sent, in bytes.
  func names(_ results: [Prepared]) -> Set<[UInt8]> { Set(images.compactMap { results[$0].image?.name.bytes }) }

  var namesToLookAt: Set<[UInt8]> { Set(looks.map(\.part.name.bytes)) }
}
