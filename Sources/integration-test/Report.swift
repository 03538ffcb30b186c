import Platform

/// Prints each assertion on a line, with whether it holds, and counts them.
struct Report {
  private(set) var failed = 0
  private var passed = 0
  /// Faults beyond this number are counted, not shown.
  private static let mostShown = 10

  /// - Parameter faults: the evidence against the assertion; empty if it holds.
  mutating func expect(_ what: String, _ faults: [String]) {
    if faults.isEmpty {
      passed += 1
      say("  ok    \(what)")
      return
    }
    failed += 1
    say("  FAIL  \(what)")
    for fault in faults.prefix(Self.mostShown) { say("          \(fault)") }
    if faults.count > Self.mostShown { say("          ... and \(faults.count - Self.mostShown) more") }
  }

  func end() -> Int32 {
    say(
      failed == 0
        ? "PASSED: \(passed) assertions hold" : "FAILED: \(failed) of \(passed + failed) assertions do not hold")
    return failed == 0 ? 0 : 1
  }
}

/// Prints a line at once, even if stdout is a pipe: somebody is watching.
func say(_ text: String) { Terminal.write(text + "\n", to: 1) }
