import Messaging
import Output
import Platform
import S3

/// How parts that are sent again are told from new ones.
extension Uploads {
  /// A part whose image is looked for.
  struct Look {
    /// Of the message in its batch.
    var index = 0
    let part: PreparedPart
    let message: any Message
  }

  static func looks(
    _ results: [Prepared], _ ahead: [Int], _ uploads: [[Int]], _ messages: [any Message]
  ) -> (atOnce: [Look], afterwards: [Look]) {
    let names = Set(uploads.joined().map { results[$0].image!.name.bytes })
    let complete = Set(uploads.joined().compactMap { results[$0].part?.segment.file })
    var looks: (atOnce: [Look], afterwards: [Look]) = ([], [])
    for index in ahead {
      // What becomes of an image that is complete says more.
      guard let part = results[index].part, part.segment.index == 0, !complete.contains(part.segment.file) else {
        continue
      }
      let look = Look(index: index, part: part, message: messages[index])
      if names.contains(part.name.bytes) { looks.afterwards.append(look) } else { looks.atOnce.append(look) }
    }
    return looks
  }

  /// For each part, whether exactly its image was in the bucket before its message. A newer version may have replaced it
  /// since: batches are sent ahead of the log.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func areStored(_ looks: [Look], _ plan: UploadPlan, whileWaiting: () throws -> Void = {}) throws -> [Bool] {
    var areStored = looks.map { _ in false }
    var names = looks.map { plan.names($0.part.name, $0.part.digest)[...] }
    while true {
      let open = names.indices.filter { !names[$0].isEmpty }
      if open.isEmpty { return areStored }
      let requests = open.map { ImageObject.look(at: layout.image(names[$0].removeFirst())) }
      for (index, answer) in zip(open, try client.perform(requests, whileWaiting: whileWaiting)) {
        let object = ImageObject(try answer.get())
        let wanted = plan.version(looks[index].part.digest, looks[index].message)
        areStored[index] = object?.version(before: wanted.origin)?.digest == wanted.digest
        if object == nil || areStored[index] { names[index] = [] }
      }
    }
  }
}
