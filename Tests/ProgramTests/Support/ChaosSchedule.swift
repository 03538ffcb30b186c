import Glibc
import TestSupport

/// What is done to one process, and when.
struct ChaosPlan: Equatable {
  enum Moment: Equatable {
    /// Shortly after its start, during startup and recovery.
    case afterStart(Duration)
    /// A little after it has done some units of work since its start.
    case atWork(units: Int, then: Duration)
  }

  enum Deed: Equatable {
    case kill
    /// Suspended (SIGSTOP) and resumed: a zombie if the group has moved on without it.
    case stop(Duration)
    /// Ended (SIGTERM): it leaves the group for a while.
    case remove
  }

  let moment: Moment
  let deed: Deed
  /// How long it stays down.
  let rest: Duration
}

/// The sequence of plans for one process, determined by the seed.
struct ChaosSchedule {
  /// Probabilities and spans (in ms) for one kind of process.
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
  private var numbers: SeededNumbers
  private var startsInARow = 0
  /// A process that never gets beyond its start does nothing that could go wrong.
  private static let mostStartsInARow = 2

  init(seed: UInt64, name: String, _ temper: Temper) {
    self.temper = temper
    numbers = SeededNumbers(seed: seed, name)
  }

  mutating func next() -> ChaosPlan {
    var moment = ChaosPlan.Moment.atWork(
      units: numbers.number(temper.units), then: .milliseconds(numbers.number(temper.atWork)))
    if startsInARow < Self.mostStartsInARow, numbers.percent(temper.percentAfterStart) {
      startsInARow += 1
      moment = .afterStart(.milliseconds(numbers.number(temper.afterStart)))
    } else {
      startsInARow = 0
    }
    let rest = Duration.milliseconds(numbers.percent(temper.percentRest) ? numbers.number(temper.rest) : 0)
    if numbers.percent(temper.percentStop) {
      // At the beginning of its work: nobody could overtake it while it holds the catalog lock.
      moment = .atWork(units: numbers.number(temper.units), then: .zero)
      return ChaosPlan(moment: moment, deed: .stop(.milliseconds(numbers.number(temper.stop))), rest: .zero)
    }
    if numbers.percent(temper.percentRemove) {
      return ChaosPlan(moment: moment, deed: .remove, rest: .milliseconds(numbers.number(temper.removed)))
    }
    return ChaosPlan(moment: moment, deed: .kill, rest: rest)
  }
}
