import Testing

@testable import Telemetry

@Suite struct RepetitionsTests {
  @Test("a repeated line is logged once in a while with the number left out") func repetitionsAreCounted() {
    let repetitions = Repetitions(intervalMilliseconds: 100)
    #expect(repetitions.unsaid(of: "a", now: 0) == 0)
    #expect(repetitions.unsaid(of: "b", now: 1) == 0, "something else")
    #expect(repetitions.unsaid(of: "a", now: 50) == nil)
    #expect(repetitions.unsaid(of: "a", now: 99) == nil)
    #expect(repetitions.unsaid(of: "a", now: 100) == 2)
    #expect(repetitions.unsaid(of: "a", now: 199) == nil)
    #expect(repetitions.unsaid(of: "a", now: 200) == 1)
  }

  @Test("ever-new lines take bounded memory") func newLinesTakeBoundedMemory() {
    let repetitions = Repetitions(intervalMilliseconds: 1_000_000)
    for number in 0..<10_000 { #expect(repetitions.unsaid(of: "\(number)", now: 0) == 0) }
    #expect(repetitions.unsaid(of: "9999", now: 1) == nil)
    #expect(repetitions.unsaid(of: "0", now: 1) == 0, "forgotten long since")
  }
}
