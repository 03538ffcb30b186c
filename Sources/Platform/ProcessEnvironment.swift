internal import CSystem

/// The environment variables that the process was started with.
package enum ProcessEnvironment {
  /// By name. Of a name that comes twice the first counts, as getenv(3) has it.
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
