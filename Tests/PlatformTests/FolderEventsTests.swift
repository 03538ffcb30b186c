import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct FolderEventsTests {
  let temporary: TestFolder
  let events: FolderEvents
  init() throws {
    temporary = TestFolder()
    events = try FolderEvents()
  }

  private func event(_ watch: Int32, _ kind: FolderEvents.Kind, _ name: String = "") -> FolderEvents.Event {
    FolderEvents.Event(watch: watch, kind: kind, name: Array(name.utf8))
  }

  /// The events so far: the kernel queues an event before the call that causes it returns.
  private func pending() throws -> [FolderEvents.Event] { try events.next(timeout: .zero) }

  @Test("a file is written until its writer closes it")
  func fileIsWrittenUntilClosed() throws {
    let watch = try events.watch(temporary.path)
    var file: File? = try File.open("\(temporary.path)/a.jpg", .createNew)
    #expect(try pending() == [event(watch, .written, "a.jpg")])
    try [UInt8(1)].withUnsafeBytes { try file?.write($0, at: 0) }
    #expect(try pending() == [event(watch, .written, "a.jpg")])
    file = nil
    #expect(try events.next(timeout: .seconds(10)) == [event(watch, .closed, "a.jpg")])
  }

  @Test("a file that is moved in is complete")
  func movedFileIsComplete() throws {
    try temporary.makeFolder("in")
    try temporary.write("a")
    let watch = try events.watch("\(temporary.path)/in")
    try temporary.folder.rename("a", to: Folder.open("\(temporary.path)/in"), as: "b")
    #expect(try events.next(timeout: .seconds(10)) == [event(watch, .movedIn, "b")])
  }

  @Test("a file that is only read or removed raises no event") func readingRaisesNoEvent() throws {
    try temporary.write("a")
    _ = try events.watch(temporary.path)
    #expect(try temporary.read("a") == "x")
    try temporary.folder.remove("a")
    #expect(try pending().isEmpty)
  }

  @Test("a folder appears when created and when moved in") func foldersAppear() throws {
    try temporary.makeFolder("in")
    try temporary.makeFolder("out")
    let watch = try events.watch("\(temporary.path)/in")
    try temporary.makeFolder("in/made")
    try #require(Glibc.rename("\(temporary.path)/out", "\(temporary.path)/in/moved") == 0)
    #expect(try pending() == [event(watch, .folderAppeared, "made"), event(watch, .folderAppeared, "moved")])
  }

  @Test("a watched folder that is removed or moved is gone") func removedFolderIsGone() throws {
    for name in ["removed", "moved"] { try temporary.makeFolder(name) }
    let removed = try events.watch("\(temporary.path)/removed")
    let moved = try events.watch("\(temporary.path)/moved")
    try temporary.folder.removeFolder("removed")
    try temporary.folder.rename("moved", to: temporary.folder, as: "elsewhere")
    #expect(try pending() == [event(removed, .folderGone), event(moved, .folderGone)])
  }

  @Test("an ended watch reports its end once and nothing after") func endedWatchIsSilent() throws {
    let watch = try events.watch(temporary.path)
    events.unwatch(watch)
    events.unwatch(watch)
    try temporary.write("a")
    #expect(try pending() == [event(watch, .folderGone)])
  }

  @Test("each folder has its own watch, and asking twice gives the same") func watchIsPerFolder() throws {
    try temporary.makeFolder("sub")
    let top = try events.watch(temporary.path)
    let sub = try events.watch("\(temporary.path)/sub")
    #expect(top != sub)
    #expect(try events.watch(temporary.path) == top)
    try temporary.write("sub/a")
    #expect(try pending().last == event(sub, .closed, "a"))
  }

  @Test("a name is given as its bytes") func nameIsItsBytes() throws {
    _ = try events.watch(temporary.path)
    let path = Array("\(temporary.path)/".utf8CString.dropLast()) + [-1, 0x41, 0]
    try #require(close(open(path, O_CREAT | O_WRONLY, 0o600)) == 0)
    #expect(Set(try pending().map(\.name)) == [[0xFF, 0x41]])
  }

  @Test("a wait without events ends after its time")
  func waitWithoutEventsEnds() throws {
    _ = try events.watch(temporary.path)
    try #require(chmod(temporary.path, 0o755) == 0)
    let start = ContinuousClock.now
    #expect(try events.next(timeout: .milliseconds(30)).isEmpty)
    #expect(ContinuousClock.now - start >= .milliseconds(29))
  }

  @Test("events that do not fit into one read arrive with the next") func eventsSpanReads() throws {
    _ = try events.watch(temporary.path)
    for index in 0..<3000 { try temporary.write("a-file-with-a-name-of-some-length-\(index)") }
    var names: Set<[UInt8]> = []
    while true {
      let more = try pending()
      if more.isEmpty { break }
      names.formUnion(more.map(\.name))
    }
    #expect(names.count == 3000)
  }

  @Test("an overflow of the event queue is reported") func overflowIsReported() throws {
    let setting = try TestFolder.contents(of: "/proc/sys/fs/inotify/max_queued_events")
    let limit = try #require(Int(setting.filter(\.isNumber)))
    try #require(limit < 100_000)
    _ = try events.watch(temporary.path)
    // Two alternating names, since the kernel merges equal events in succession.
    for name in ["a", "b"] { try temporary.write(name) }
    let files = [open("\(temporary.path)/a", O_RDONLY), open("\(temporary.path)/b", O_RDONLY)]
    defer { for file in files { close(file) } }
    for index in 0...limit {
      let name = index % 2 == 0 ? "a" : "b"
      try #require(close(open("\(temporary.path)/\(name)", O_WRONLY)) == 0)
    }
    var last: FolderEvents.Event?
    while let event = try pending().last { last = event }
    #expect(last == event(-1, .overflow))
  }

  @Test("watching anything but a folder is an error that names it") func missingFolderIsNamed() throws {
    try temporary.write("file")
    try temporary.makeLink("link", to: ".")
    #expect(failure { _ = try events.watch("\(temporary.path)/none") }?.code == ENOENT)
    let error = failure { _ = try events.watch("\(temporary.path)/file") }
    #expect(error?.code == ENOTDIR && error?.subject == "\(temporary.path)/file")
    #expect(failure { _ = try events.watch("\(temporary.path)/link", followingLinks: false) }?.code == ENOTDIR)
    #expect(try events.watch("\(temporary.path)/link") > 0)
  }
}

extension TestFolder {
  static func contents(of path: String) throws -> String {
    let file = try File.open(path, .read)
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
