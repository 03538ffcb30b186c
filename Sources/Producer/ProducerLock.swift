import Configuration
import Platform

/// A lock that keeps two producers with the same ledger from sending the same folder to the same topic. Without it,
/// each would send everything.
package struct ProducerLock {
  private let file: File

  /// - Throws: `InUse` if another producer is running.
  init(_ settings: ProducerSettings, cluster: String) throws {
    file = try File.open(Self.path(settings, cluster), .create)
    guard try file.lockExclusively() else { throw InUse(input: settings.input, state: settings.stateFolder) }
  }

  /// - Parameter settings: with the input's path without links.
  static func path(_ settings: ProducerSettings, _ cluster: String) -> String {
    let scope = Array("\(cluster) \(settings.topic) \(settings.input)".utf8).withUnsafeBytes { SHA256.hash($0) }
    return "\(settings.stateFolder)/producer-\(scope.hex.prefix(16)).lock"
  }

  struct InUse: Error, CustomStringConvertible {
    let input: String
    let state: String
    var description: String {
      "another producer sends \(input) to this topic, with STATE_DIR=\(state): stop it, or set another "
        + "STATE_DIR here"
    }
  }
}
