import Kafka
import Platform
import SQLite
import Telemetry

extension Finding {
  /// A failure with the cure that it knows itself.
  /// - Parameters:
  ///   - before: what cannot be for it.
  ///   - cure: where the error knows none, or what else would help.
  static func problem(_ error: any Error, before: String = "", cure: String) -> Finding {
    let (text, own): (String, String?) =
      switch error {
      case let error as SystemError: (error.summary, error.cure)
      case let error as SQLiteError: (error.summary, error.cure)
      case let error as KafkaError: (Self.summary(error), error.missingRight.map { "\($0)" })
      default: ("\(error)", nil)
      }
    return .problem((before.isEmpty ? "" : before + ": ") + text, cure: own ?? cure)
  }

  /// An error's words without the cure.
  static func summary(_ error: KafkaError) -> String {
    (error.context.isEmpty ? "" : error.context + ": ") + error.reason + " (" + error.name + ")"
  }
}
