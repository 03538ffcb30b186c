import TestSupport
import Testing

@testable import Page

/// The line that tells whether the pipeline is well.
@Suite struct PipelineStateTests {
  private var state = PipelineState()
  private var now: Int64 = 1_000_000

  private mutating func update(
    incoming: Double? = 0, stored: Double? = 0, lag: Double? = 0, unsent: Double? = 0,
    _ troubles: [PipelineState.Trouble] = []
  ) {
    now += 2_000
    var point = NumberPoint()
    (point[.incoming], point[.stored], point[.lag], point[.unsent]) = (incoming, stored, lag, unsent)
    state.update(point, troubles, at: now)
  }

  @Test("nothing is known before the first rates") mutating func starting() {
    update(incoming: nil, stored: nil, lag: nil, unsent: nil)
    #expect(state.kind == .starting && state.lastFlow == nil)
  }

  @Test("it flows while images are sent or stored, and is idle after that") mutating func flowingAndIdle() {
    update(incoming: 1)
    #expect(state.kind == .flowing && state.since == now)
    update(incoming: nil, stored: 1)
    #expect(state.kind == .flowing && state.since == now - 2_000)
    let last = now
    update()
    update()
    #expect(state.kind == .idle && state.lastFlow == last && state.since == last + 2_000)
  }

  @Test("a backlog that is stored within seconds is in flow") mutating func smallBacklog() {
    for _ in 0..<20 { update(stored: 50, lag: 400) }
    #expect(state.kind == .flowing && state.behindSince == nil)
  }

  @Test("it is behind when more waits for ten seconds, since it began to") mutating func behind() throws {
    update(stored: 50, lag: 1_000, unsent: 500)
    let start = now
    for _ in 0..<4 {
      #expect(state.kind == .flowing)
      update(stored: 50, lag: 1_000, unsent: 500)
    }
    update(stored: 50, lag: 1_000, unsent: 500)
    #expect(state.kind == .behind && state.behindSince == start && state.secondsLeft == 30)
    // It catches up: the end of it is not the moment when ten seconds are left.
    update(stored: 50, lag: 400)
    #expect(state.kind == .behind && state.behindSince == start)
    update(stored: 50, lag: 200)
    #expect(state.kind == .flowing && state.behindSince == nil && state.secondsLeft == nil)
  }

  @Test("a single message that is not stored is behind, too") mutating func stuck() {
    for _ in 0..<6 { update(lag: 1) }
    #expect(state.kind == .behind && state.secondsLeft == nil)
  }

  @Test("what is wrong comes first, and does not hide that it is behind") mutating func trouble() throws {
    let trouble = PipelineState.Trouble(side: "consumer:8080", words: ["output: disk \"full\"", "csv: \u{202E}gone"])
    for _ in 0..<6 { update(lag: 10, [trouble]) }
    #expect(state.kind == .trouble && state.since == now - 10_000 && state.behindSince == now - 10_000)
    #expect(
      state.json.contains(
        "\"troubles\":[{\"side\":\"consumer:8080\",\"words\":\"output: disk \\\"full\\\"\\ncsv: \\u202egone\"}]}"),
      "\(state.json)")
    for _ in 0..<6 { update(lag: 10, Array(repeating: trouble, count: 1_000)) }
    #expect(state.json.utf8.count < 2_000)
    update()
    #expect(state.kind == .idle && state.troubles == [])
  }
}
