import Platform

/// What was asserted, a line each, and whether it holds.
struct Report {
  private(set) var failed = 0
  private var passed = 0
  /// More than these are counted.
  private static let mostShown = 10

  /// - Parameter faults: what speaks against it; none where it holds.
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

/// At once, also where stdout is a pipe: somebody looks on.
func say(_ text: String) { Terminal.write(text + "\n", to: 1) }
