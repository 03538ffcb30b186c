@testable import Telemetry

extension Finding {
  /// What was checked, and the result: `topic_partitions ok`. It does not change with the wording.
  var key: String { "\(check) \(level)" }
}

extension [Finding] {
  var keys: [String] { map(\.key) }
}
