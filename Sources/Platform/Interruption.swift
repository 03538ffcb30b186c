/// A command that looks at everything was told to end.
package struct Interruption: Error, CustomStringConvertible {
  let consequence: String
  package var description: String { "stopped before the end: \(consequence)" }
}

extension StopFlag {
  /// To be called between two images.
  /// - Parameter consequence: what that means for the result, and what to do.
  package func check(_ consequence: @autoclosure () -> String) throws {
    if isSet { throw Interruption(consequence: consequence()) }
  }
}
