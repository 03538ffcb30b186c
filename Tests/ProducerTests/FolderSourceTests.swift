import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Platform
@testable import Producer
@testable import Wire

/// What is found in a folder, with senders that only take names.
@Suite struct FolderSourceTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    _ = try scratch.folder("in")
  }

  /// The paths that one run hands out, sorted.
  private func found(_ change: (inout ProducerSettings) -> Void = { _ in }) throws -> [[UInt8]] {
    var settings = ProducerSettings(
      input: scratch / "in", topic: "t", stateFolder: scratch / "state", kafka: KafkaProperties([:]).producer)
    settings.once = true
    settings.settleMilliseconds = 0
    change(&settings)
    let ledger = try Ledger(in: settings.stateFolder, cluster: "c", topic: "t", input: settings.input)
    let outbox = Outbox()
    let events = ProducerEvents(log: LogLines().log, input: settings.input)
    let afterSent = AfterSent(action: .keep, input: settings.input, sentFolder: settings.sentFolder)
    let writer = LedgerWriter(ledger: ledger, outbox: outbox, afterSent: afterSent, events: events, stop: StopFlag())
    let candidates = BoundedQueue<Candidate>(capacity: 8)
    let taken = Mutex<[[UInt8]]>([])
    // Holds every path until all of them have been seen, as a broker that is slow to answer would.
    let sender = BackgroundThread.start("take") {
      while let candidate = candidates.pop(timeoutMilliseconds: 200) {
        taken.withLock { $0.append(Array(candidate.path.utf8)) }
      }
      for path in taken.withLock({ $0 }) { outbox.release(String(decoding: path, as: UTF8.self)) }
      while let candidate = candidates.pop(timeoutMilliseconds: nil) {
        taken.withLock { $0.append(Array(candidate.path.utf8)) }
        outbox.release(candidate.path)
      }
    }
    try FolderSource(
      settings, outbox: outbox, ledger: ledger, writer: writer, afterSent: afterSent, candidates: candidates,
      events: events, stop: StopFlag()
    ).run()
    candidates.close()
    sender.join()
    return taken.withLock { $0 }.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private func bytes(_ names: String...) -> [[UInt8]] { names.map { Array($0.utf8) } }

  @Test func imagesAreFoundInAllFoldersAndNothingElse() throws {
    for name in ["a.jpg", "cat/b.jpg", "cat/deep/c.jpg", "notes.txt", ".hidden/d.jpg", "e.jpg.part"] {
      try scratch.write("in/" + name, name)
    }
    #expect(try found { $0.extensions = ["jpg"] } == bytes("a.jpg", "cat/b.jpg", "cat/deep/c.jpg"))
  }

  @Test func anOutputWithinTheInputIsLeftAlone() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/out/b.jpg", "b")
    try scratch.write("in/out/.image-pipeline/catalog.sqlite", "")
    #expect(try found() == bytes("a.jpg"))
  }

  @Test func theSentFolderWithinTheInputIsLeftAloneWhateverItIsCalled() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/done/b.jpg", "b")
    #expect(try found { $0.sentFolder = scratch / "in/done" } == bytes("a.jpg"))
    #expect(try found { $0.sentFolder = scratch / "in/../in/done/" } == bytes("a.jpg"))
    try scratch.link("link", to: scratch / "in/done")
    #expect(try found { $0.sentFolder = scratch / "link" } == bytes("a.jpg"))
  }

  @Test("folders of a NAS and excluded ones are not entered")
  func foldersOfANASAreNotEntered() throws {
    for name in [
      "a.jpg", "@eaDir/a.jpg", "cat/#recycle/b.jpg", "lost+found/c.jpg", "raw/d.jpg", "cat/e_small.jpg", "cat/f.jpg",
    ] {
      try scratch.write("in/" + name, name)
    }
    let patterns = try [PathPattern("raw"), PathPattern("cat/*_small.*")]
    #expect(try found { $0.excluded = patterns } == bytes("a.jpg", "cat/f.jpg"))
    #expect(try found() == bytes("a.jpg", "cat/e_small.jpg", "cat/f.jpg", "raw/d.jpg"))
  }

  @Test func namesThatOnlyLookAlikeAreTwo() throws {
    try scratch.write("in/\u{E9}.jpg", "composed")
    try scratch.write("in/e\u{301}.jpg", "decomposed")
    #expect(try found() == bytes("e\u{301}.jpg", "\u{E9}.jpg"))
  }

  @Test func onlyWhatWasAskedForIsFound() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/b.jpg", "b")
    #expect(try found { $0.only = PathSet(["b.jpg", "none.jpg"]) } == bytes("b.jpg"))
  }

  /// Beside a producer that runs, whose it would be.
  @Test func whatAProducerHasSetAsideIsLeftToItWhereOnlySomeFilesAreSent() throws {
    try scratch.write("in/.a.jpg.image-pipeline-sent", "a")
    #expect(try found { $0.only = PathSet(["a.jpg"]) } == [])
    #expect(try scratch.names("in") == [".a.jpg.image-pipeline-sent"])
    #expect(try found() == bytes("a.jpg"))
    #expect(try scratch.names("in") == ["a.jpg"])
  }

  @Test func anInputThatLiesInAnOutputIsRefused() throws {
    try scratch.write("in/.image-pipeline/catalog.sqlite", "")
    _ = try scratch.folder("in/images")
    let said = refusal { _ = try InputFolder.resolve(scratch / "in/images") }
    #expect(said?.contains("IMAGES_DIR=\(scratch / "in/images")") == true)
    #expect(throws: InputFolder.Unusable.self) { try InputFolder.resolve(scratch / "none") }
    try scratch.write("file", "")
    #expect(throws: InputFolder.Unusable.self) { try InputFolder.resolve(scratch / "file") }
  }

  @Test func anInputIsKnownByItsPathWithoutLinksAndDots() throws {
    try scratch.link("link", to: scratch / "in")
    #expect(try InputFolder.resolve(scratch / "link/../link/.") == scratch / "in")
  }
}
