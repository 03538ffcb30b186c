import TestSupport
import Testing

@testable import Platform
@testable import Producer
@testable import Wire

@Suite struct ProducerEventsTests {
  /// If the topic is missing, each image fails once a second.
  @Test("a thousand unacknowledged images do not each have a line") func manyFailuresAreFewLines() {
    let lines = LogLines()
    let events = ProducerEvents(log: lines.log, input: "/nowhere")
    for number in 0..<1_000 { events.failed("\(number).jpg", Vanished()) }
    events.failed("other.jpg", SystemError("send", "other.jpg", code: 5))
    #expect(lines.all.count == 2, "\(lines.all.count) lines")
    #expect(lines.entries.map { $0.fields["image"] } == ["0.jpg", "other.jpg"])
    #expect(events.now.failed == 1_001)
  }

  @Test("a scan that finds files but no image is a warning, once")
  func fruitlessScanIsAWarning() {
    let lines = LogLines()
    let events = ProducerEvents(log: lines.log, input: "/nowhere")
    let filter = FileFilter(extensions: ["jpg"])
    var tally = FileTally()
    tally.add("notes", .folder, by: filter)
    tally.add("link", .symbolicLink, by: filter)
    events.input.scanned(tally, extensions: ["jpg"])
    #expect(lines.all == [], "nothing is there, so nothing is passed by")
    for name in ["a.cr2", "b.CR2", "c.txt", "d"] { tally.add(name, .regular, by: filter) }
    for _ in 0..<2 { events.input.scanned(tally, extensions: ["jpg"]) }
    #expect(lines.entries.map(\.event) == ["nothing_matches"], "\(lines.all)")
    #expect(lines.entries.first?.message.contains("IMAGE_EXTENSIONS=jpg,cr2,txt") == true, "\(lines.all)")
    #expect(events.now.tally.passedBy == 4 && events.now.tally.named == ".cr2 2, without extension 1, .txt 1")
  }

  private struct Vanished: Error {}
}
