import Glibc
import TestSupport
import Testing

@testable import Producer

/// The watches of a real folder: one per folder, each known by its path.
@Suite struct FolderWatchesTests {
  private let scratch: TestFolder
  private let watches: FolderWatches
  private let lines = LogLines()

  init() throws {
    scratch = TestFolder()
    _ = try scratch.makeFolder("in")
    watches = FolderWatches(root: scratch / "in", events: ProducerEvents(log: lines.log, input: scratch / "in"))
  }

  /// As a scan that finds these folders.
  private func scan(_ folders: String...) {
    watches.scanBegins()
    for folder in folders { watches.watch(folder) }
    watches.scanEnded()
  }

  private func makeFolders(_ names: String...) throws { for name in names { _ = try scratch.makeFolder("in/" + name) } }

  private func move(_ name: String, to newName: String) throws {
    try #require(rename(scratch / name, scratch / newName) == 0)
  }

  /// The events so far, abbreviated.
  private func events() throws -> [String] {
    var seen: [String] = []
    try watches.next(timeout: .zero) { event in
      switch event {
      case .closed(let path): seen.append("closed " + path)
      case .foldersGone(let paths): seen += paths.map { "gone " + $0 }
      case .written, .movedIn, .unreadableName, .folderAppeared, .eventsLost: break
      }
    }
    return seen
  }

  @Test("a folder that is moved out of the input takes all watches below it along")
  func movedFolderIsNotWatched() throws {
    try makeFolders("day/a/deep", "day/b", "other")
    scan("day", "day/a", "day/a/deep", "day/b", "other")
    #expect(watches.count == 6)
    try move("in/day", to: "archive")
    try scratch.write("archive/a/deep/half.jpg", "x")
    #expect(try events() == ["gone day/"])
    #expect(watches.count == 2)
    try scratch.write("archive/a/deep/half.jpg", "x")
    try scratch.write("archive/b/half.jpg", "x")
    #expect(try events() == [])
  }

  @Test("a folder that is renamed inside the input has events under its new name only")
  func renamedFolderHasNewName() throws {
    try makeFolders("old/deep")
    scan("old", "old/deep")
    try move("in/old", to: "in/new")
    _ = try events()
    scan("new", "new/deep")
    #expect(watches.count == 3)
    try scratch.write("in/new/deep/a.jpg", "x")
    #expect(try events() == ["closed new/deep/a.jpg"])
  }

  /// There is no event for that: the watched folder itself stays in its own parent.
  @Test("a folder whose parent was exchanged is not watched after a scan")
  func exchangedParentIsNoticed() throws {
    let watches = FolderWatches(
      root: scratch / "data/in", events: ProducerEvents(log: LogLines().log, input: scratch / "data/in"))
    _ = try scratch.makeFolder("data/in/sub")
    watches.scanBegins()
    watches.watch("sub")
    watches.scanEnded()
    try move("data", to: "old data")
    _ = try scratch.makeFolder("data/in/sub")
    watches.scanBegins()
    watches.watch("sub")
    watches.scanEnded()
    #expect(watches.count == 2)
    try scratch.write("old data/in/sub/a.jpg", "x")
    try scratch.write("data/in/sub/b.jpg", "x")
    var closed: [String] = []
    try watches.next(timeout: .zero) { if case .closed(let path) = $0 { closed.append(path) } }
    #expect(closed == ["sub/b.jpg"])
  }

  @Test("what cannot be watched is reported once, and a folder that is gone is not") func missingWatchIsReported()
    throws
  {
    try makeFolders("a")
    for name in ["file", "another"] { try scratch.write("in/" + name, "x") }
    scan("a", "gone", "file", "another")
    #expect(watches.count == 2)
    #expect(lines.entries.map(\.event) == ["inotify_unavailable"], "\(lines.all)")
    #expect(lines.entries.hasEvent("inotify_unavailable", ["error": "ENOTDIR"]), "\(lines.all)")
  }

  @Test("a folder that a scan no longer enters is no longer watched")
  func skippedFolderIsNotWatched() throws {
    try makeFolders("a", "b")
    scan("a", "b")
    scan("a")
    #expect(watches.count == 2)
    try scratch.write("in/b/x.jpg", "x")
    try scratch.write("in/a/x.jpg", "x")
    #expect(try events() == ["closed a/x.jpg"])
  }
}
