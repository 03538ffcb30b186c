import TestSupport
import Testing

@testable import Consumer
@testable import Kafka
@testable import Output

/// A session between a model of the topic and one of the catalog, driven at random: rebalances, other consumers, re-created
/// topics, retention, and failures at any point. `WorldCatalog.store` checks each transaction; here is checked that a session
/// which is left alone afterwards stores the rest.
@Suite("A session's random walk") struct ConsumerSessionWalkTests {
  @Test("nothing is stored twice, out of order or of another topic, nothing is skipped, and progress is possible again")
  func anySequenceOfEvents() {
    for seed: UInt64 in 1...200 {
      var walk = SessionWalk(seed: seed)
      for _ in 0..<4 {
        for _ in 0..<60 { walk.step() }
        walk.recreateUnseen()
        let isDone = walk.calmDown()
        #expect(isDone, "seed \(seed): \(walk.description)")
        if !isDone { return }
      }
    }
  }
}
