import Kafka
import Platform
import SQLite
import Telemetry

extension Finding {
  /// A problem with the fix that the error itself knows.
  /// - Parameters:
  ///   - check: what was checked, in snake case.
  ///   - before: what failed because of the error.
  ///   - cure: the fix if the error knows none.
  static func problem(_ check: String, _ error: any Error, before: String = "", cure: String) -> Finding {
    let (text, own): (String, String?) =
      switch error {
      case let error as SystemError: (error.summary, error.cure)
      case let error as SQLiteError: (error.summary, error.cure)
      case let error as KafkaError: (Self.summary(error), error.missingRight.map { "\($0)" })
      default: ("\(error)", nil)
      }
    return .problem(check, (before.isEmpty ? "" : before + ": ") + text, cure: own ?? cure)
  }

  /// An error's description without the fix.
  static func summary(_ error: KafkaError) -> String {
    (error.context.isEmpty ? "" : error.context + ": ") + error.reason + " (" + error.name + ")"
  }
}
