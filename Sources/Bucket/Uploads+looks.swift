import Messaging
import Output
import Platform
import S3
import Wire

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

  /// What became of an image that an attempt of this message has sent, and what its first bytes show; nil if none has sent it.
  /// - Parameter whileWaiting: called periodically; throws to give up.
  func storedBefore(
    _ name: ImageName, _ digest: Digest, _ length: Int, _ message: any Message, _ plan: UploadPlan,
    whileWaiting: () throws -> Void
  ) throws -> (Placement, ImageProbe)? {
    let own = plan.version(digest, message)
    for name in plan.names(name, digest) {
      let answer = try client.perform([ImageObject.look(at: layout.image(name))], whileWaiting: whileWaiting)[0].get()
      guard let object = ImageObject(answer) else { return nil }
      guard object.has(own) else { continue }
      var upload = ImageUpload(
        [name], [own], .none, type: "", committed: plan.committed[message.partition] ?? 0, layout)
      upload.resume(with: object)
      let isNewest = object.version == own && length > 0
      let start = isNewest ? try client.perform(.get(layout.image(name), range: 0..<min(length, 1 << 20))).body : []
      return (upload.placements([length])[0], start.withUnsafeBytes { ImageProbe($0) })
    }
    return nil
  }
}
