import OutputSupport
import StoreSupport
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import Platform
@testable import S3
@testable import Wire

/// `repair` of an output in a bucket, on real stores.
@Suite(OwnThread(), .onStores) struct BucketRepairTests {
  private func repair(
    _ world: BucketWorld, patience: Duration = .zero
  ) throws -> (result: Repair.Result, findings: [String]) {
    var findings: [String] = []
    let repair = try BucketRepair(world.settings, patience: patience) { finding in
      findings.append(finding.kind + (finding.image.map { " " + $0 } ?? ""))
    }
    try repair.run()
    return (repair.result, findings)
  }

  private func fill(_ world: BucketWorld) throws -> BucketConsumer {
    let consumer = try world.consumer()
    try consumer.assign([0, 1])
    try consumer.store(InMemoryMessage(0, "a.jpg", "one"), InMemoryMessage(1, "cat/b.jpg", ""))
    try consumer.store(InMemoryMessage(2, "c.jpg", "three"), InMemoryMessage(3, "a.jpg", "one"))
    try consumer.store(InMemoryMessage(0, partition: 1, "d.jpg", "four"))
    return consumer
  }

  @Test("a sound output is left alone", arguments: TestStore.all) func soundOutputIsLeftAlone(_ store: TestStore) throws
  {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      let (result, findings) = try repair(world)
      #expect(findings == [] && result.sound == 4 && result.repairs == 0 && result.remaining == 0)
    }
  }

  @Test("rows that the log has lost are written again from the objects", arguments: TestStore.all)
  func lostRowsAreWrittenAgain(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      let before = try world.rows()
      _ = try world.client.perform(.delete(world.log().layout.commit(0)))
      let (result, findings) = try repair(world)
      #expect(findings == ["log_filled"] && result.sound == 4 && result.remaining == 0)
      #expect(try world.rows() == before)
      #expect(try repair(world).findings == [])
      // Consumers go on as if nothing had happened.
      try consumer.assign()
      try consumer.store(InMemoryMessage(4, "a.jpg", "two"))
      #expect(try world.rows() == before + ["a.jpg@4"])
    }
  }

  @Test("a batch that is written again keeps its notes", arguments: TestStore.all)
  func notesAreKept(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      let part = InMemoryMessage(4, segment: 0, of: "e.jpg", "in two parts")
      try consumer.store(part, InMemoryMessage(5, "f.jpg", "five"))
      try consumer.store(InMemoryMessage(6, "g.jpg", "six"))
      let log = world.log()
      let lost = try #require(try log.commit(4, withRows: true))
      let notes = try log.notes(of: lost)
      #expect(notes.open == [4..<5])
      _ = try world.client.perform(.delete(log.layout.commit(4)))
      #expect(try repair(world).findings == ["log_filled"])
      let filled = try #require(try log.commit(4, withRows: true))
      #expect(try log.notes(of: filled) == notes && filled.rows.map(\.digest) == lost.rows.map(\.digest))
      #expect(try repair(world).findings == [])
    }
  }

  @Test("objects that differ from the log are named", arguments: TestStore.all)
  func differencesAreNamed(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      _ = try fill(world)
      try world.put("c.jpg", "other")
      _ = try world.client.perform(.delete(world.layout.image("d.jpg")))
      let (result, findings) = try repair(world)
      #expect(findings == ["altered c.jpg", "missing d.jpg"] && result.sound == 2 && result.remaining == 2)
    }
  }

  @Test("notes of a batch that another consumer has stored are removed", arguments: TestStore.all)
  func strangeNotesAreRemoved(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      let log = world.log()
      let own = try log.allNotes().map(\.key)
      let loser = Commit(
        first: 2, position: .init(next: 3, last: nil), id: "loser", time: 0, rows: [], hasNotes: true)
      // The consumer of the last one may still be at work.
      let next = Commit(first: 4, position: .init(next: 5, last: nil), id: "next", time: 0, rows: [], hasNotes: true)
      for commit in [loser, next] { _ = try world.client.perform(log.request(BatchNotes(open: [4..<5]), of: commit)) }
      let (result, findings) = try repair(world)
      #expect(findings == ["temporary_files_removed"] && result.repairs == 1)
      #expect(Set(try log.allNotes().map(\.key)) == Set(own + [log.layout.notes(4, id: "next")]))
      withExtendedLifetime(consumer) {}
    }
  }

  @Test("an image that was removed and arrives again has its new row, and is no duplicate", arguments: TestStore.all)
  func restoredImageIsNoDuplicate(_ store: TestStore) throws {
    try BucketWorld.with(store) { world in
      let consumer = try fill(world)
      _ = try world.client.perform(.delete(world.layout.image("c.jpg")))
      try consumer.store(InMemoryMessage(4, "c.jpg", "three"))
      let folder = TestFolder()
      for (name, content) in ["a.jpg": "one", "cat/b.jpg": "", "c.jpg": "three", "d.jpg": "four"] {
        try folder.write("images/\(name)", content)
      }
      func faults() throws -> [Verifier.Fault: Int] {
        let verifier = try Verifier(
          input: VerifiedInputFolder(folder / "images"), output: VerifiedBucket(world.settings, stop: StopFlag()),
          filter: FileFilter(extensions: ["jpg"])
        ) { _ in }
        try verifier.run()
        return verifier.result.faults
      }
      #expect(try faults() == [:])
      // A second row of its message is one.
      let position = try #require(consumer.positions[0])
      let row = try #require(try world.log().commit(4, withRows: true)?.rows.first)
      let doubled = Commit(
        first: position.next, position: .init(next: position.next + 1, last: nil), id: "x", time: 0, rows: [row],
        hasNotes: false)
      _ = try world.client.perform(doubled.request(world.log().layout))
      #expect(try faults() == [.duplicated: 1])
    }
  }
}
