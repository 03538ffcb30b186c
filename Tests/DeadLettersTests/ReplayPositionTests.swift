import Testing

@testable import DeadLetters

@Suite struct ReplayPositionTests {
  @Test("single dead letters are remembered next to the position") func single() {
    var position = ReplayPosition(next: 3, note: "")
    position.passAlone(7)
    position.passAlone(5)
    #expect(position.next == 3 && position.note == "replayed 5 7")
    #expect(
      [0, 2, 3, 4, 5, 6, 7, 8].map { position.contains($0) } == [true, true, false, false, true, false, true, false])
    #expect(ReplayPosition(next: 3, note: position.note) == position)
  }

  @Test("the position moves on over single dead letters that follow it") func moving() {
    var position = ReplayPosition(next: 3, note: "replayed 4 5 9")
    position.passAlone(3)
    #expect(position == ReplayPosition(next: 6, note: "replayed 9"))
    position.pass(7)
    #expect(position == ReplayPosition(next: 8, note: "replayed 9"))
    position.pass(8)
    #expect(position == ReplayPosition(next: 10) && position.note == "")
    position.pass(2)
    #expect(position.next == 10)
  }

  @Test("a foreign or damaged note means nothing", arguments: ["hello", "replayed", "replayed x -", "moved 4", "4 5"])
  func foreignNotes(note: String) { #expect(ReplayPosition(next: 3, note: note) == ReplayPosition(next: 3)) }

  @Test("a note stays within what Kafka keeps") func bounds() {
    var position = ReplayPosition()
    let start = Int64.max - 1_000
    for offset in stride(from: start, to: start + 800, by: 2) { position.passAlone(offset) }
    #expect(position.note.utf8.count <= 4_096)
    #expect(position.contains(start + 798) && !position.contains(start))
    #expect(ReplayPosition(note: position.note) == position)
    #expect(ReplayPosition(note: "replayed " + String(repeating: "9", count: 5_000)) == ReplayPosition())
  }

  @Test("each kind of dead letter has a fix in the sources and in the documents") func fixes() {
    for kind in [
      "EnvelopeError", "LengthMismatch", "DigestMismatch", "SegmentMismatch", "SegmentTimeout", "NameRefusal",
      "TooLarge",
    ] { #expect(LetterFix.fix(kind) != nil, "\(kind)") }
    #expect(LetterFix.fix("") == nil)
  }
}
