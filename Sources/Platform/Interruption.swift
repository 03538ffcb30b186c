/// A long-running command was asked to stop before it had examined everything.
package struct Interruption: Error, CustomStringConvertible {
  let consequence: String
  package var description: String { "stopped before the end: \(consequence)" }
}

extension StopFlag {
  /// Throws if the flag is set. Call it between two images.
  /// - Parameter consequence: what the interruption means for the result, and what to do.
  package func check(_ consequence: @autoclosure () -> String) throws {
    if isSet { throw Interruption(consequence: consequence()) }
  }
}
