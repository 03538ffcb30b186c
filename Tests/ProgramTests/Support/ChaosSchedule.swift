import Glibc
import TestSupport

/// Random numbers that the same seed repeats.
struct ChaosNumbers: RandomNumberGenerator {
  private var numbers: SeededNumbers

  /// - Parameter name: whose numbers: each has a row of its own, whatever the others take.
  init(seed: UInt64, _ name: String) {
    numbers = SeededNumbers(seed: name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
  }

  mutating func next() -> UInt64 { numbers.next() }

  /// True so many times in a hundred.
  mutating func percent(_ chance: Int) -> Bool { Int.random(in: 0..<100, using: &self) < chance }
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
}

/// What is done to one process, and when.
struct ChaosPlan: Equatable {
  enum Moment: Equatable {
    /// So soon after its start that it is in the midst of that, and of the recovery from what came before.
    case afterStart(milliseconds: Int)
    /// Once it has done so much since its start, and a little later: wherever it is then.
    case atWork(units: Int, milliseconds: Int)
  }

  enum Deed: Equatable {
    case kill
    /// Stopped (SIGSTOP) and continued: a zombie, where the group has gone on without it.
    case stop(milliseconds: Int)
    /// Told to end (SIGTERM): it leaves the group for a while.
    case remove
  }

  let moment: Moment
  let deed: Deed
  /// How long it stays away.
  let restMilliseconds: Int
}

/// The row of plans for one process, which the seed alone decides.
struct ChaosSchedule {
  /// What is likely, by kind of process.
  struct Temper {
    var percentAfterStart = 30
    var afterStart = 0...600
    var units = 1...30
    var atWork = 0...40
    var percentRest = 30
    var rest = 1...400
    var percentStop = 0
    var stop = 0...0
    var percentRemove = 0
    var removed = 0...0
  }

  private let temper: Temper
  private var numbers: ChaosNumbers
  private var startsInARow = 0
  /// A process that never gets beyond its start does nothing that could go wrong.
  private static let mostStartsInARow = 2

  init(seed: UInt64, name: String, _ temper: Temper) {
    self.temper = temper
    numbers = ChaosNumbers(seed: seed, name)
  }

  mutating func next() -> ChaosPlan {
    var moment = ChaosPlan.Moment.atWork(
      units: numbers.number(temper.units), milliseconds: numbers.number(temper.atWork))
    if startsInARow < Self.mostStartsInARow, numbers.percent(temper.percentAfterStart) {
      startsInARow += 1
      moment = .afterStart(milliseconds: numbers.number(temper.afterStart))
    } else {
      startsInARow = 0
    }
    let rest = numbers.percent(temper.percentRest) ? numbers.number(temper.rest) : 0
    if numbers.percent(temper.percentStop) {
      // At the very beginning of its work: with the catalog's lock in its hands, nobody could overtake it.
      moment = .atWork(units: numbers.number(temper.units), milliseconds: 0)
      return ChaosPlan(moment: moment, deed: .stop(milliseconds: numbers.number(temper.stop)), restMilliseconds: 0)
    }
    if numbers.percent(temper.percentRemove) {
      return ChaosPlan(moment: moment, deed: .remove, restMilliseconds: numbers.number(temper.removed))
    }
    return ChaosPlan(moment: moment, deed: .kill, restMilliseconds: rest)
  }
}
