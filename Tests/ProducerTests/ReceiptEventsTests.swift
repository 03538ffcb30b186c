import TestSupport
import Testing

@testable import Platform
@testable import Producer

@Suite struct ReceiptEventsTests {
  @Test("files that have waited for receipts for more than ten minutes are reported, now and then")
  func longWaitIsReported() {
    let lines = LogLines()
    let events = ReceiptEvents(lines.log)
    let now = WallClock.milliseconds
    events.waiting(3, oldest: now - 590_000, isNeeded: true)
    events.waiting(3, oldest: now - 620_000, isNeeded: false)
    #expect(lines.entries.events("receipts_overdue").isEmpty)
    events.waiting(3, oldest: now - 620_000, isNeeded: true)
    events.waiting(4, oldest: now - 630_000, isNeeded: true)
    #expect(lines.entries.events("receipts_overdue", ["images": "3"]).count == 1)
    #expect(lines.entries.events("receipts_overdue").count == 1)
  }
}
