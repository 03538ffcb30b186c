import Platform

/// Kafka does not accept dead letters, and there is no disk to store them on. Nothing after them is stored until it does.
struct LettersRefused: ClassifiedError, CustomStringConvertible {
  let count: Int
  let topic: String
  let reason: String
  var disposition: Disposition { .needsPerson }
  var description: String {
    "\(count) messages cannot be stored, and \(topic) does not accept them as dead letters: \(reason). Correct the topic or the "
      + "rights of this user; until then nothing more is stored from these partitions"
  }
}
