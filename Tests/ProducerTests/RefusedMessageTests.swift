import Testing

@testable import Platform
@testable import Producer

/// A refusal is no acknowledgement, although the broker has answered.
@Suite struct RefusedMessageTests {
  private struct Refused: Error {}

  @Test("an outbox counts messages that the broker accepted, not those it refused") func refusalsAreNoAcknowledgements()
  {
    let outbox = Outbox()
    let stamp = FileStamp(size: 1, modified: 1, changed: 1, inode: 1)
    let flight = outbox.begin("a", stamp, SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0)))
    let tokens = [outbox.add(to: flight, bytes: 1), outbox.add(to: flight, bytes: 1)]
    _ = outbox.settle(tokens[0], failure: Refused())
    #expect(outbox.acknowledged == 0 && outbox.inFlight == 1)
    _ = outbox.settle(tokens[1])
    #expect(outbox.acknowledged == 1 && outbox.inFlight == 0)
  }
}
