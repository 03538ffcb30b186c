import Glibc

@testable import Platform

/// The real broker as a victim: killed and brought back by commands that the environment names.
final class ChaosBroker {
  /// `KAFKA_TEST_KILL` and `KAFKA_TEST_RESUME`, run by the shell. Where `KAFKA_TEST_NODES` is above 1, `NODE` is the
  /// number of the broker that is meant.
  struct Commands {
    let kill: String
    let resume: String
    let nodes: Int

    static let environment: Commands? = {
      func text(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
      guard let kill = text("KAFKA_TEST_KILL"), let resume = text("KAFKA_TEST_RESUME") else { return nil }
      return Commands(kill: kill, resume: resume, nodes: text("KAFKA_TEST_NODES").flatMap { Int($0) } ?? 1)
    }()
  }

  private enum State {
    case up(since: Int64, work: Int)
    /// With the command that was bringing it back, where that was interrupted: it ends by itself.
    case killing(Program, interrupted: Program?)
    case down(until: Int64)
    case resuming(Program, since: Int64)
  }

  private let commands: Commands
  private let scratch: Scratch
  private var schedule: ChaosSchedule
  private var plan: ChaosPlan
  private var numbers: ChaosNumbers
  private var node = 1
  private var state: State
  private var wasDue: Int64?
  private(set) var tally = ChaosVictim.Tally()
  private(set) var faults: [String] = []

  init(_ commands: Commands, in scratch: Scratch, seed: UInt64, _ temper: ChaosSchedule.Temper) {
    self.commands = commands
    self.scratch = scratch
    schedule = ChaosSchedule(seed: seed, name: "broker", temper)
    plan = schedule.next()
    numbers = ChaosNumbers(seed: seed, "node")
    state = .up(since: Clock.monotonicMilliseconds, work: 0)
    node = numbers.number(1...commands.nodes)
  }

  /// - Parameter work: all that was sent and stored so far.
  func step(work: Int) throws {
    let now = Clock.monotonicMilliseconds
    switch state {
    case .up(let since, let before):
      switch plan.moment {
      case .afterStart(let milliseconds): if now - since >= milliseconds { try kill(counts: work > before) }
      case .atWork(let units, let milliseconds):
        if wasDue == nil, work - before >= units { wasDue = now }
        if let due = wasDue, now - due >= milliseconds { try kill(counts: true) }
      }
    case .killing(let program, let interrupted):
      guard program.hasEnded, interrupted?.hasEnded != false else { return }
      if program.exitCode() != 0 { faults.append("KAFKA_TEST_KILL failed:\n\(program.output)") }
      state = .down(until: now + Int64(plan.restMilliseconds))
      wasDue = nil
      plan = schedule.next()
    case .down(let until): if now >= until { try resume() }
    case .resuming(let program, let since):
      // In the midst of its recovery: the command then fails, as it must.
      if case .afterStart(let milliseconds) = plan.moment, now - since >= milliseconds, !program.hasEnded {
        return try kill(counts: false)
      }
      guard program.hasEnded else { return }
      if program.exitCode() != 0 { return try resume() }
      if commands.nodes > 1 { node = numbers.number(1...commands.nodes) }
      state = .up(since: now, work: work)
    }
  }

  private func run(_ command: String) throws -> Program {
    let node = commands.nodes > 1 ? String(node) : ""
    return try Program(["-c", command], in: scratch, environment: ["NODE": node], executable: "/bin/sh")
  }

  private func kill(counts: Bool) throws {
    var interrupted: Program?
    if case .resuming(let program, _) = state { interrupted = program }
    state = .killing(try run(commands.kill), interrupted: interrupted)
    if counts { tally.counted += 1 } else { tally.early += 1 }
    if case .afterStart = plan.moment { tally.recovering += 1 }
  }

  private func resume() throws { state = .resuming(try run(commands.resume), since: Clock.monotonicMilliseconds) }

  /// Brings it back for good.
  func spare() throws {
    if case .killing(let program, let interrupted) = state { _ = (program.exitCode(), interrupted?.exitCode()) }
    if case .resuming(let program, _) = state { _ = program.exitCode() }
    let program = try run(commands.resume)
    if program.exitCode(withinSeconds: 120) != 0 { faults.append("KAFKA_TEST_RESUME failed:\n\(program.output)") }
  }
}
