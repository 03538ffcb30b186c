import Configuration
import Platform

/// Keeps two producers from sending one folder to one topic out of one ledger: each would send everything.
struct ProducerLock {
  private let file: File

  /// - Throws: `InUse` where another one runs.
  init(_ settings: ProducerSettings, cluster: String) throws {
    let scope = Array("\(cluster) \(settings.topic) \(settings.input)".utf8).withUnsafeBytes { SHA256.hash($0) }
    file = try File.open("\(settings.stateFolder)/producer-\(scope.hex.prefix(16)).lock", .create)
    guard try file.lockExclusively() else { throw InUse(input: settings.input, state: settings.stateFolder) }
  }

  struct InUse: Error, CustomStringConvertible {
    let input: String
    let state: String
    var description: String {
      "another producer sends \(input) to this topic, with STATE_DIR=\(state): stop it, or give this one another "
        + "STATE_DIR"
    }
  }
}
