import Glibc
import TestSupport

@testable import Platform

/// The real broker as a victim, killed and restarted by commands from the environment.
final class ChaosBroker {
  /// `KAFKA_TEST_KILL` and `KAFKA_TEST_RESUME` are shell commands. If `KAFKA_TEST_NODES` is above 1, `NODE` is the
  /// broker's number.
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
    case up(since: ContinuousClock.Instant, work: Int)
    /// With the interrupted restart command, which ends by itself.
    case killing(Program, interrupted: Program?)
    case down(until: ContinuousClock.Instant)
    case resuming(Program, since: ContinuousClock.Instant)
  }

  private let commands: Commands
  private let scratch: TestFolder
  private var schedule: ChaosSchedule
  private var plan: ChaosPlan
  private var numbers: SeededNumbers
  private var node = 1
  private var state: State
  private var wasDue: ContinuousClock.Instant?
  private(set) var tally = ChaosVictim.Tally()
  private(set) var faults: [String] = []

  init(_ commands: Commands, in scratch: TestFolder, seed: UInt64, _ temper: ChaosSchedule.Temper) {
    self.commands = commands
    self.scratch = scratch
    schedule = ChaosSchedule(seed: seed, name: "broker", temper)
    plan = schedule.next()
    numbers = SeededNumbers(seed: seed, "node")
    state = .up(since: ContinuousClock.now, work: 0)
    node = numbers.number(1...commands.nodes)
  }

  /// - Parameter work: the number of images sent and stored so far.
  func step(work: Int) throws {
    let now = ContinuousClock.now
    switch state {
    case .up(let since, let before):
      switch plan.moment {
      case .afterStart(let span): if now - since >= span { try kill(counts: work > before) }
      case .atWork(let units, let span):
        if wasDue == nil, work - before >= units { wasDue = now }
        if let due = wasDue, now - due >= span { try kill(counts: true) }
      }
    case .killing(let program, let interrupted):
      guard program.hasEnded, interrupted?.hasEnded != false else { return }
      if program.exitCode() != 0 { faults.append("KAFKA_TEST_KILL failed:\n\(program.output)") }
      state = .down(until: now + plan.rest)
      wasDue = nil
      plan = schedule.next()
    case .down(let until): if now >= until { try resume() }
    case .resuming(let program, let since):
      // During its recovery, so the restart command fails, as it must.
      if case .afterStart(let span) = plan.moment, now - since >= span, !program.hasEnded {
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

  private func resume() throws { state = .resuming(try run(commands.resume), since: ContinuousClock.now) }

  /// Kills it, and starts it again for good.
  func restart() throws {
    _ = try run(commands.kill).exitCode()
    try spare()
  }

  /// Restarts it for good.
  func spare() throws {
    if case .killing(let program, let interrupted) = state { _ = (program.exitCode(), interrupted?.exitCode()) }
    if case .resuming(let program, _) = state { _ = program.exitCode() }
    let program = try run(commands.resume)
    if program.exitCode(within: .seconds(120)) != 0 { faults.append("KAFKA_TEST_RESUME failed:\n\(program.output)") }
  }
}
