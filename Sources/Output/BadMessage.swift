import Wire

/// Why a message cannot be used: what a dead letter says.
package struct BadMessage: Error, Sendable, CustomStringConvertible {
  package enum Stage: String, Sendable {
    case conversion = "VALUE_CONVERTER"
    case storing = "TASK_PUT"
  }
  package let stage: Stage
  package let kind: String
  package let description: String

  /// In bytes. What is said of a message may repeat parts of it, of any length; it goes into the log and into the letter's
  /// headers, whose topic takes 64 KiB more than the message's own.
  private static let longest = 8_000

  init(stage: Stage, kind: String, description: String) {
    self.stage = stage
    self.kind = kind
    self.description =
      description.utf8.count <= Self.longest
      ? description : String(decoding: description.utf8.prefix(Self.longest), as: UTF8.self) + "..."
  }
}

extension BadMessage {
  init(_ refusal: ImageName.Refusal) {
    self.init(stage: .storing, kind: "NameRefusal", description: refusal.description)
  }
}
