package import Platform
import Synchronization
import Telemetry

/// Runs the program's own checks for the page, and keeps the latest findings of each. A check is a process of its own:
/// it may need more memory than the page has, and nothing that happens to it harms the page.
package final class Checks: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    case audit, doctor
  }

  /// One check, from its start on.
  private struct Run {
    let begun = WallClock.milliseconds
    var ended: Int64?
    /// The exit code: 0 if nothing is wrong.
    var code: Int32?
    /// The first findings: JSON objects, unless something went wrong.
    var findings: [String] = []
    private var bytes = 0
    /// The last line, which has the counts.
    var last: String?
    /// The number of lines between those two.
    var omitted = 0
    /// The last line of the log. If there are no counts, it says why.
    var trouble: String?

    mutating func add(_ line: String) {
      if let last {
        bytes += last.utf8.count
        if findings.count < Checks.mostFindings, bytes <= Checks.mostBytes {
          findings.append(last)
        } else {
          omitted += 1
        }
      }
      last = line
    }

    var json: String {
      "{\"begun\":\(begun),\"ended\":\(ended.map { "\($0)" } ?? "null"),\"code\":\(code.map { "\($0)" } ?? "null"),"
        + "\"omitted\":\(omitted),\"trouble\":\(trouble.map { Fields.json($0) } ?? "null"),"
        + "\"lines\":[\((findings + (last.map { [$0] } ?? [])).map { Fields.json($0) }.joined(separator: ","))]}"
    }
  }

  private struct State {
    var running: Kind?
    var runs: [Kind: Run] = [:]
    var thread: BackgroundThread?
    var nextStart = MonotonicClock.now
  }

  private let state = Mutex(State())
  private let program: String
  private let arguments: @Sendable (Kind) -> [String]
  private let environment: [String: String]
  private let stop: StopFlag

  private static let mostFindings = 300
  private static let mostBytes = 256 << 10
  /// A check takes time of brokers and disks, and anybody who sees the page may start one.
  private let pause: Duration

  /// - Parameters:
  ///   - program: the path of this program.
  ///   - arguments: the command of a check. It writes JSON, one object in a line.
  ///   - environment: the variables of the checks. Those of the page are left out, its secret among them.
  ///   - pause: the time between the end of a check and the start of the next one.
  package init(
    program: String = "/proc/self/exe", environment: [String: String], pause: Duration = .seconds(3), stop: StopFlag,
    arguments: @escaping @Sendable (Kind) -> [String]
  ) {
    self.program = program
    self.arguments = arguments
    // Its log is read by this program.
    self.environment = environment.filter { !$0.key.hasPrefix("PAGE_") }.merging(["LOG_FORMAT": "json"]) { $1 }
    self.pause = pause
    self.stop = stop
  }

  /// Starts a check.
  /// - Returns: false if one is running, or has just ended.
  func start(_ kind: Kind) -> Bool {
    state.withLock { state in
      guard state.running == nil, .now >= state.nextStart, !stop.isSet else { return false }
      state.running = kind
      state.runs[kind] = Run()
      state.thread = BackgroundThread.start("check") { self.run(kind) }
      return true
    }
  }

  private func run(_ kind: Kind) {
    let child = ChildProcess(program, ["image-pipeline"] + arguments(kind), environment: environment)
    do {
      let code = try child.run(stop: stop) { stream, line in
        // Another one is not the program's: a crash, or the loader.
        guard line.hasPrefix("{") else { return }
        state.withLock { if stream == .output { $0.runs[kind]?.add(line) } else { $0.runs[kind]?.trouble = line } }
      }
      end(kind) { $0.code = code }
    } catch { end(kind) { $0.trouble = Fields.json([("message", .string("\(error)"))]) } }
  }

  private func end(_ kind: Kind, _ change: (inout Run) -> Void) {
    state.withLock { state in
      if var run = state.runs[kind] {
        change(&run)
        run.ended = WallClock.milliseconds
        state.runs[kind] = run
      }
      state.running = nil
      state.nextStart = .now + pause
    }
  }

  /// Waits for the end of a check that `stop` has ended.
  func finish() { state.withLock { $0.thread }?.join() }

  /// What the page shows: which check is running, and the latest findings of each.
  var json: String {
    state.withLock { state in
      let runs = Kind.allCases.map { "\"\($0.rawValue)\":\(state.runs[$0]?.json ?? "null")" }
      let running = state.running.map { "\"\($0.rawValue)\"" } ?? "null"
      return "{\"now\":\(WallClock.milliseconds),\"running\":\(running),\(runs.joined(separator: ","))}"
    }
  }
}
