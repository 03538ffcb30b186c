import Glibc

@testable import Platform

/// One process of a run, and what its row of plans does to it.
final class ChaosVictim {
  let name: String
  private let launch: () throws -> Program
  /// What a line of its log contains that stands for something done, durably.
  private let marker: String
  /// True where it is in the midst of something that must be done whole: an idle one cannot be killed at a bad moment.
  private let isBusy: (_ program: Program, _ newLines: Int) -> Bool
  private var schedule: ChaosSchedule
  private var plan: ChaosPlan

  private(set) var program: Program?
  private var log: LineCounter?
  private var started: Int64 = 0
  private var wasReady: Int64?
  private var wasDue: Int64?
  private var stoppedUntil: Int64?
  private var isLeaving = false
  private var restsUntil: Int64 = 0

  struct Tally {
    /// Kills of a process that had done something since its start.
    var counted = 0
    /// Those of the others: in the midst of a start, or with nothing done.
    var early = 0
    /// Of a broker, of both: in the midst of its recovery.
    var recovering = 0
    var stops = 0
    var removals = 0
  }
  private(set) var tally = Tally()
  /// The most memory that one of its incarnations has taken, in bytes.
  private(set) var peakMemory = 0
  /// All that its incarnations have done.
  private(set) var done = 0
  /// What should not have been: it ended by itself, or not when it was told to.
  private(set) var faults: [String] = []

  /// How long a busy moment is waited for, in ms.
  private static let patience: Int64 = 3_000

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

  /// Brings it to life where it is due, looks what it has done, and does to it what the plan says.
  func step() throws {
    let now = Clock.monotonicMilliseconds
    guard let program, let log else {
      if now >= restsUntil { try start() }
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
      return retire(resting: plan.restMilliseconds)
    }
    if isLeaving {
      guard now - wasDue! > 30_000 else { return }
      faults.append("\(name) did not end in 30 s:\n\(program.output)")
      program.signal(SIGKILL)
      return
    }
    switch plan.moment {
    case .afterStart(let milliseconds): if now - started >= milliseconds { act(program, log, now) }
    case .atWork(let units, let milliseconds):
      if wasReady == nil, log.count >= units { wasReady = now }
      if wasDue == nil, let wasReady, now - wasReady > Self.patience || isBusy(program, lines) { wasDue = now }
      if let since = wasDue, now - since >= milliseconds { act(program, log, now) }
    }
  }

  private func start() throws {
    let program = try launch()
    self.program = program
    log = LineCounter(program.outputPath, marker)
    started = Clock.monotonicMilliseconds
    (wasReady, wasDue, isLeaving) = (nil, nil, false)
  }

  private func act(_ program: Program, _ log: LineCounter, _ now: Int64) {
    noteMemory(of: program)
    switch plan.deed {
    case .kill:
      program.signal(SIGKILL)
      _ = program.exitCode(withinSeconds: 20)
      done += log.advance()
      if log.count > 0 { tally.counted += 1 } else { tally.early += 1 }
      retire(resting: plan.restMilliseconds)
    case .stop(let milliseconds):
      program.signal(SIGSTOP)
      stoppedUntil = now + Int64(milliseconds)
      tally.stops += 1
    case .remove:
      program.signal(SIGTERM)
      (isLeaving, wasDue) = (true, now)
      tally.removals += 1
    }
  }

  /// README's bound for either side. Of one that is killed, nothing is known any more.
  static let mostMemory = 96 << 20

  private func noteMemory(of program: Program) {
    let peak = program.peakMemory ?? 0
    peakMemory = max(peakMemory, peak)
    guard peak > Self.mostMemory, !Sanitizer.isOn else { return }
    faults.append("\(name) took \(peak >> 20) MB of memory:\n\(program.output.suffix(1_500))")
  }

  private func retire(resting milliseconds: Int) {
    program = nil
    log = nil
    restsUntil = Clock.monotonicMilliseconds + Int64(milliseconds)
    plan = schedule.next()
  }

  // MARK: Peace

  /// Lets it live from now on.
  func spare() throws {
    if let program {
      if stoppedUntil != nil { program.signal(SIGCONT) }
      stoppedUntil = nil
      guard isLeaving || program.hasEnded else { return }
      _ = program.exitCode(withinSeconds: 30)
    }
    try start()
  }

  /// Tells it to end. Returns what went wrong.
  func end() -> String? {
    guard let program else { return nil }
    noteMemory(of: program)
    program.signal(SIGTERM)
    let code = program.exitCode(withinSeconds: 30)
    self.program = nil
    return code == 0
      ? nil : "\(name) ended with \(code.map(String.init) ?? "nothing") after SIGTERM:\n\(program.output)"
  }
}

/// Counts the lines with a marker in a file that grows.
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

  /// Reads on. Returns how many lines were new.
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
