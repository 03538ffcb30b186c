import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Platform
@testable import Producer
@testable import Wire

/// The files found in a folder, with senders that only collect names.
@Suite struct FolderSourceTests {
  private let scratch: TestFolder

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("in")
  }

  /// The paths of one run, sorted.
  private func found(_ change: (inout ProducerSettings) -> Void = { _ in }) throws -> [[UInt8]] {
    var settings = ProducerSettings(
      input: scratch / "in", topic: "t", stateFolder: scratch / "state", kafka: KafkaProperties([:]).producer)
    settings.once = true
    settings.settling = .zero
    change(&settings)
    let ledger = try Ledger(in: settings.stateFolder, cluster: "c", topic: "t", input: settings.input)
    let events = ProducerEvents(log: LogLines().log, input: settings.input)
    let session = ProducerSession(settings, ledger: ledger, events: events)
    let candidates = BoundedQueue<Candidate>(capacity: 8)
    let taken = Mutex<[[UInt8]]>([])
    // Holds every path until all have been seen, like a slow broker.
    let sender = BackgroundThread.start("take") {
      while let candidate = candidates.pop(timeout: .milliseconds(200)) {
        taken.withLock { $0.append(Array(candidate.path.utf8)) }
      }
      for path in taken.withLock({ $0 }) { session.outbox.release(String(decoding: path, as: UTF8.self)) }
      while let candidate = candidates.pop(timeout: nil) {
        taken.withLock { $0.append(Array(candidate.path.utf8)) }
        session.outbox.release(candidate.path)
      }
    }
    try FolderSource(session, candidates: candidates).run()
    candidates.close()
    sender.join()
    return taken.withLock { $0 }.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private func bytes(_ names: String...) -> [[UInt8]] { names.map { Array($0.utf8) } }

  @Test("images are found in all folders, and nothing else") func onlyImagesAreFound() throws {
    for name in ["a.jpg", "cat/b.jpg", "cat/deep/c.jpg", "notes.txt", ".hidden/d.jpg", "e.jpg.part"] {
      try scratch.write("in/" + name, name)
    }
    #expect(try found { $0.extensions = ["jpg"] } == bytes("a.jpg", "cat/b.jpg", "cat/deep/c.jpg"))
  }

  @Test("an output inside the input is left alone") func outputInsideIsLeftAlone() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/out/b.jpg", "b")
    try scratch.write("in/out/.image-pipeline/catalog.sqlite", "")
    #expect(try found() == bytes("a.jpg"))
  }

  @Test("the sent folder inside the input is left alone under any name") func sentFolderIsLeftAlone() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/done/b.jpg", "b")
    #expect(try found { $0.sentFolder = scratch / "in/done" } == bytes("a.jpg"))
    #expect(try found { $0.sentFolder = scratch / "in/../in/done/" } == bytes("a.jpg"))
    try scratch.makeLink("link", to: scratch / "in/done")
    #expect(try found { $0.sentFolder = scratch / "link" } == bytes("a.jpg"))
  }

  @Test("folders of a NAS and excluded folders are not entered")
  func nasFoldersAreNotEntered() throws {
    for name in [
      "a.jpg", "@eaDir/a.jpg", "cat/#recycle/b.jpg", "lost+found/c.jpg", "raw/d.jpg", "cat/e_small.jpg", "cat/f.jpg",
    ] {
      try scratch.write("in/" + name, name)
    }
    let patterns = try [PathPattern("raw"), PathPattern("cat/*_small.*")]
    #expect(try found { $0.excluded = patterns } == bytes("a.jpg", "cat/f.jpg"))
    #expect(try found() == bytes("a.jpg", "cat/e_small.jpg", "cat/f.jpg", "raw/d.jpg"))
  }

  @Test("names with different Unicode forms are two") func similarNamesAreTwo() throws {
    try scratch.write("in/\u{E9}.jpg", "composed")
    try scratch.write("in/e\u{301}.jpg", "decomposed")
    #expect(try found() == bytes("e\u{301}.jpg", "\u{E9}.jpg"))
  }

  @Test("only requested files are found") func onlyRequestedFilesAreFound() throws {
    try scratch.write("in/a.jpg", "a")
    try scratch.write("in/b.jpg", "b")
    #expect(try found { $0.only = PathSet(["b.jpg", "none.jpg"]) } == bytes("b.jpg"))
  }

  /// They belong to a producer that is running.
  @Test("files that a producer has set aside are left to it if only some files are sent")
  func asideFilesAreLeftToProducer() throws {
    try scratch.write("in/.a.jpg.image-pipeline-sent", "a")
    #expect(try found { $0.only = PathSet(["a.jpg"]) } == [])
    #expect(try scratch.names("in") == [".a.jpg.image-pipeline-sent"])
    #expect(try found() == bytes("a.jpg"))
    #expect(try scratch.names("in") == ["a.jpg"])
  }

  @Test("an input inside an output is refused") func inputInsideOutputIsRefused() throws {
    try scratch.write("in/.image-pipeline/catalog.sqlite", "")
    _ = try scratch.makeFolder("in/images")
    let said = refusal { _ = try InputFolder.resolve(scratch / "in/images") }
    #expect(said?.contains("IMAGES_DIR=\(scratch / "in/images")") == true)
    #expect(throws: InputFolder.Unusable.self) { try InputFolder.resolve(scratch / "none") }
    try scratch.write("file", "")
    #expect(throws: InputFolder.Unusable.self) { try InputFolder.resolve(scratch / "file") }
  }

  @Test("an input is identified by its path without links and dots") func inputPathIsCanonical() throws {
    try scratch.makeLink("link", to: scratch / "in")
    #expect(try InputFolder.resolve(scratch / "link/../link/.") == scratch / "in")
  }
}
