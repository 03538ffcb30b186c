import Glibc
import TestSupport

@testable import Platform

/// One process of a run, and what its schedule does to it.
final class ChaosVictim {
  let name: String
  private let launch: () throws -> Program
  /// The part of a log line that means durable work was done.
  private let marker: String
  /// Whether it is in the middle of something atomic. Killing an idle process tests little.
  private let isBusy: (_ program: Program, _ newLines: Int) -> Bool
  private var schedule: ChaosSchedule
  private var plan: ChaosPlan

  private(set) var program: Program?
  private var log: LineCounter?
  private var started = ContinuousClock.now
  private var wasReady: ContinuousClock.Instant?
  private var wasDue: ContinuousClock.Instant?
  private var stoppedUntil: ContinuousClock.Instant?
  private var isLeaving = false
  private var restsUntil = ContinuousClock.now
  /// It is not started again for now.
  var isHeld = false
  /// Its schedule waits.
  var isSpared = false

  struct Tally {
    /// Kills of a process that had done some work since its start.
    var counted = 0
    /// Other kills: during a start, or before any work.
    var early = 0
    /// A broker's kills during its recovery, of both kinds.
    var recovering = 0
    var stops = 0
    var removals = 0
  }
  private(set) var tally = Tally()
  /// Peak memory of all incarnations, in bytes.
  private(set) var peakMemory = 0
  /// The work of all incarnations.
  private(set) var done = 0
  /// Faults: it exited by itself, or not when told to.
  private(set) var faults: [String] = []

  /// How long to wait for a busy moment.
  private static let patience = Duration.seconds(3)

  init(
    _ name: String, seed: UInt64, _ temper: ChaosSchedule.Temper, marker: String,
    isBusy: @escaping (Program, Int) -> Bool,
    launch: @escaping () throws -> Program
  ) {
    self.name = name
    self.marker = marker
    self.isBusy = isBusy
    self.launch = launch
    schedule = ChaosSchedule(seed: seed, name: name, temper)
    plan = schedule.next()
  }

  /// Starts it when due, counts its work, and acts on the plan.
  func step() throws {
    let now = ContinuousClock.now
    guard let program, let log else {
      if now >= restsUntil, !isHeld { try start() }
      return
    }
    let lines = log.advance()
    done += lines
    if let until = stoppedUntil {
      guard now >= until else { return }
      program.signal(SIGCONT)
      (stoppedUntil, wasReady, wasDue) = (nil, nil, nil)
      plan = schedule.next()
      started = now
      return
    }
    if program.hasEnded {
      let code = program.exitCode()
      if !isLeaving || code != 0 {
        faults.append(
          "\(name) ended with \(code ?? -1), \(isLeaving ? "told to end" : "by itself"):\n\(program.output)")
      }
      return retire(resting: plan.rest)
    }
    if isLeaving {
      guard now - wasDue! > .seconds(30) else { return }
      faults.append("\(name) did not end in 30 s, with the threads \(program.threads):\n\(program.output)")
      program.signal(SIGKILL)
      return
    }
    guard !isSpared else { return }
    switch plan.moment {
    case .afterStart(let span): if now - started >= span { act(program, log, now) }
    case .atWork(let units, let span):
      if wasReady == nil, log.count >= units { wasReady = now }
      if wasDue == nil, let wasReady, now - wasReady > Self.patience || isBusy(program, lines) { wasDue = now }
      if let since = wasDue, now - since >= span { act(program, log, now) }
    }
  }

  private func start() throws {
    let program = try launch()
    self.program = program
    log = LineCounter(program.outputPath, marker)
    started = ContinuousClock.now
    (wasReady, wasDue, isLeaving) = (nil, nil, false)
  }

  private func act(_ program: Program, _ log: LineCounter, _ now: ContinuousClock.Instant) {
    noteMemory(of: program)
    switch plan.deed {
    case .kill:
      program.signal(SIGKILL)
      _ = program.exitCode(within: .seconds(20))
      done += log.advance()
      if log.count > 0 { tally.counted += 1 } else { tally.early += 1 }
      retire(resting: plan.rest)
    case .stop(let span):
      program.signal(SIGSTOP)
      stoppedUntil = now + span
      tally.stops += 1
    case .remove:
      program.signal(SIGTERM)
      (isLeaving, wasDue) = (true, now)
      tally.removals += 1
    }
  }

  /// The documented bound of either side. A killed process cannot be measured.
  static let mostMemory = 96 << 20

  private func noteMemory(of program: Program) {
    let peak = program.peakMemory ?? 0
    peakMemory = max(peakMemory, peak)
    guard peak > Self.mostMemory, !Sanitizer.isOn else { return }
    faults.append("\(name) took \(peak >> 20) MB of memory:\n\(program.output.suffix(1_500))")
  }

  private func retire(resting span: Duration) {
    program = nil
    log = nil
    restsUntil = ContinuousClock.now + span
    plan = schedule.next()
  }

  // MARK: Peace

  /// Leaves it alone from now on.
  func spare() throws {
    if let program {
      if stoppedUntil != nil { program.signal(SIGCONT) }
      stoppedUntil = nil
      guard isLeaving || program.hasEnded else { return }
      _ = program.exitCode(within: .seconds(30))
    }
    try start()
  }

  /// Ends it with SIGTERM. Returns a fault, if any.
  func end() -> String? {
    guard let program else { return nil }
    noteMemory(of: program)
    program.signal(SIGTERM)
    let code = program.exitCode(within: .seconds(30))
    defer { self.program = nil }
    guard let code else {
      return "\(name) did not end in 30 s, with the threads \(program.threads):\n\(program.output)"
    }
    return code == 0 ? nil : "\(name) ended with \(code) after SIGTERM:\n\(program.output)"
  }
}

/// Counts the lines with a marker in a growing file.
final class LineCounter {
  private(set) var count = 0
  private let path: String
  private let marker: String
  private var place = 0
  private var tail: [UInt8] = []

  init(_ path: String, _ marker: String) {
    self.path = path
    self.marker = marker
  }

  /// Reads on. Returns the number of new lines.
  func advance() -> Int {
    guard let file = try? File.open(path, .read), let size = try? file.status().size, size > place else { return 0 }
    var bytes = [UInt8](repeating: 0, count: size - place)
    let read = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: place) }) ?? 0
    place += read
    let text = tail + bytes.prefix(read)
    let end = text.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    tail = Array(text[end...])
    let found =
      String(decoding: text[..<end], as: UTF8.self).split(separator: marker, omittingEmptySubsequences: false)
      .count - 1
    count += found
    return found
  }
}
