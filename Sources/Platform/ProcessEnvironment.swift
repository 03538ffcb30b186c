internal import CSystem

/// The environment variables that the process was started with.
package enum ProcessEnvironment {
  /// The variables by name. If a name occurs twice, the first one counts, as in getenv(3).
  package static func read() -> [String: String] {
    var variables: [String: String] = [:]
    guard var entry = system_environment() else { return variables }
    while let text = entry.pointee {
      let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2, variables[String(pair[0])] == nil { variables[String(pair[0])] = String(pair[1]) }
      entry += 1
    }
    return variables
  }
}
