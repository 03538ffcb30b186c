import Messaging
import Output
import Platform
import S3

/// How parts that are sent again are told from new ones.
extension Uploads {
  /// Answers looks on another thread; nil if there are none.
  func ask(_ looks: [SentAhead.Look], _ plan: UploadPlan) -> BackgroundTask<Void>? {
    looks.isEmpty ? nil : BackgroundTask { try self.answer(looks, plan) }
  }

  func answer(_ looks: [SentAhead.Look], _ plan: UploadPlan) throws {
    let areStored = try areStored(looks.map { ($0.part, $0.message) }, plan)
    for (look, isStored) in zip(looks, areStored) { look.answer.set(isStored ? .stored : .notStored) }
  }

  /// For each part, whether exactly its image was in the bucket before its message. A newer version may have replaced it
  /// since: batches are sent ahead of the log.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func areStored(
    _ parts: [(part: PreparedPart, message: any Message)], _ plan: UploadPlan, whileWaiting: () throws -> Void = {}
  ) throws -> [Bool] {
    var areStored = parts.map { _ in false }
    var names = parts.map { plan.names($0.part.name, $0.part.digest)[...] }
    while true {
      let open = names.indices.filter { !names[$0].isEmpty }
      if open.isEmpty { return areStored }
      let requests = open.map { ImageObject.look(at: layout.image(names[$0].removeFirst())) }
      for (index, answer) in zip(open, try client.perform(requests, whileWaiting: whileWaiting)) {
        let object = ImageObject(try answer.get())
        let wanted = plan.version(parts[index].part.digest, parts[index].message)
        areStored[index] = object?.version(before: wanted.origin)?.digest == wanted.digest
        if object == nil || areStored[index] { names[index] = [] }
      }
    }
  }
}
