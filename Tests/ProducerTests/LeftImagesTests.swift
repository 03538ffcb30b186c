import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Producer
@testable import Telemetry

/// Images that wait to be sent are never reported as none.
@Suite struct LeftImagesTests {
  private let scratch: TestFolder
  private let events: ProducerEvents
  private let health = Health()
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    events = ProducerEvents(log: lines.log, input: scratch.path, health: health)
    health.started()
  }

  private func find(_ path: String) { events.found(path) }

  private func error(_ name: String) throws -> KafkaError { try #require(KafkaError.all.first { $0.name == name }) }

  @Test("an image that is to be sent again counts as left until it is sent") func imagesToBeSentAgainAreLeft() throws {
    try scratch.write("a.jpg", "a")
    find("a.jpg")
    events.failed("a.jpg", try error("_MSG_TIMED_OUT"))
    #expect(events.now.left == 1 && events.isWaiting)
    find("a.jpg")
    #expect(events.now.left == 1 && events.isWaiting)
    events.sent("a.jpg", bytes: 1, since: moment(0))
    #expect(events.now.left == 0 && !events.isWaiting)
  }

  @Test("an image that was held back and removed does not count as left") func removedImagesAreNotLeft() throws {
    try scratch.write("a.jpg", "a")
    find("a.jpg")
    events.heldBack("a.jpg", try error("INVALID_TIMESTAMP"))
    #expect(events.now.left == 1 && events.isWaiting && !health.report().isReady)
    events.gone("a.jpg")
    #expect(events.now.left == 0 && !events.isWaiting && events.now.vanished == 1)
    events.gone("never-seen.jpg")
    #expect(events.now.vanished == 1)
  }

  @Test("an image that the broker refused counts as left until it is sent or removed") func refusedImagesAreLeft()
    throws
  {
    for name in ["a.jpg", "b.jpg"] {
      try scratch.write(name, name)
      find(name)
      events.refused(name, try error("MSG_SIZE_TOO_LARGE"))
    }
    #expect(events.now.left == 2 && events.now.refused == 2 && !health.report().isReady)
    find("a.jpg")
    events.sent("a.jpg", bytes: 1, since: moment(0))
    #expect(events.now.left == 1 && events.now.refused == 1 && !health.report().isReady)
    try Folder.open(scratch.path).remove("b.jpg")
    events.review()
    #expect(events.now.left == 0 && events.now.refused == 0 && health.report().isReady)
  }

  @Test("a refusal of everything is one line, however many images it concerns") func totalRefusalIsOneLine() throws {
    for number in 0..<1_000 { events.heldBack("\(number).jpg", try error("INVALID_TIMESTAMP")) }
    #expect(lines.all.count == 1, "\(lines.all.count) lines")
  }

  @Test("a file that cannot be read is refused, and nothing waits for it") func unreadableFilesDoNotWait() throws {
    try scratch.write("a.jpg", "a")
    events.refused("a.jpg", SystemError("read", "a.jpg", code: 13), wasFound: false)
    #expect(events.now.left == 0 && events.now.refused == 1 && health.report().isReady)
  }
}
