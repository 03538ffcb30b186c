import TestSupport
import Testing

@testable import Telemetry

@Suite struct RepetitionsTests {
  @Test("a repeated line is logged once in a while with the number left out") func repetitionsAreCounted() {
    let repetitions = Repetitions(interval: .milliseconds(100))
    #expect(repetitions.note("a", now: moment(0)) == 0)
    #expect(repetitions.note("b", now: moment(1)) == 0, "something else")
    #expect(repetitions.note("a", now: moment(50)) == nil)
    #expect(repetitions.note("a", now: moment(99)) == nil)
    #expect(repetitions.note("a", now: moment(100)) == 2)
    #expect(repetitions.note("a", now: moment(199)) == nil)
    #expect(repetitions.note("a", now: moment(200)) == 1)
  }

  @Test("ever-new lines take bounded memory") func newLinesTakeBoundedMemory() {
    let repetitions = Repetitions(interval: .seconds(1000))
    for number in 0..<10_000 { #expect(repetitions.note("\(number)", now: moment(0)) == 0) }
    #expect(repetitions.note("9999", now: moment(1)) == nil)
    #expect(repetitions.note("0", now: moment(1)) == 0, "forgotten long since")
  }
}
