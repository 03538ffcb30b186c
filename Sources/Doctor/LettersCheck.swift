import DeadLetters
import Telemetry

/// Checks the topic of the dead letters, which is to keep them until somebody has looked at them. Pure.
struct LettersCheck {
  var topic: String
  /// Dead letters that were not sent back. Several of them may be of the same message.
  var waiting: Int
  /// nil if the broker does not tell.
  var settings: [String: String]?

  func findings() -> [Finding] {
    var findings = [
      waiting == 0
        ? Finding.ok("dead_letters", "\(topic): no dead letters wait")
        : .note(
          "dead_letters",
          "\(topic): \(Quantity.count(waiting, "dead letter")) at most",
          "image-pipeline dead-letters lists them with their reasons; when those are fixed, --replay sends them back")
    ]
    let others = DeadLetters.keeping.sorted { $0.key < $1.key }.filter { settings?[$0.key] ?? $0.value != $0.value }
    if !others.isEmpty {
      let has = others.map { "\($0.key)=\(settings?[$0.key] ?? "")" }.joined(separator: ", ")
      let should = others.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      findings.append(
        .note(
          "dead_letters_retention",
          "\(topic) may lose dead letters before anybody has looked at them: \(has)",
          "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config \(should)"))
    }
    return findings
  }
}
