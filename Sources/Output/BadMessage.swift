package import Wire

/// The reason why a message cannot be used, as its dead letter states it.
package struct BadMessage: Error, Sendable, CustomStringConvertible {
  package enum Stage: String, Sendable {
    case conversion = "VALUE_CONVERTER"
    case storing = "TASK_PUT"
  }
  package let stage: Stage
  package let kind: String
  package let description: String

  /// In bytes. A description may quote parts of the message, which may have any length. It is logged, and it is stored
  /// in the dead letter's headers. The dead-letter topic accepts 64 KiB more per message than the message's own topic.
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
  package init(_ refusal: ImageName.Refusal) {
    self.init(stage: .storing, kind: "NameRefusal", description: refusal.description)
  }
}
