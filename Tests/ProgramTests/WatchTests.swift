import Glibc
import TestSupport
import Testing

@testable import Platform

/// A running producer: what it sends, when, and what it leaves alone.
@Suite(.ownThread) struct WatchTests {
  let folder = TestFolder()
  let broker: Broker
  let topic: TopicContent

  /// Longer than any wait of a test: a file that is sent was found by an event.
  static let never = "3600000"

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  func producer(_ environment: [String: String] = [:]) throws -> Program {
    try Program(["producer"], in: folder, environment: broker.environment(environment))
  }

  @Test("a closed file is sent at once, even with a long SETTLE_MS") func closedFileIsSentAtOnce() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("images/closed.jpg", SeededNumbers.bytes(5_000, seed: 1))
    #expect(eventually { try topic.versions(of: "closed.jpg") == [SeededNumbers.bytes(5_000, seed: 1)] })
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a file that is renamed into the folder is sent at once") func renamedFileIsSentAtOnce() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("elsewhere.jpg", [1, 2, 3])
    try folder.move("elsewhere.jpg", to: "images/moved.jpg")
    #expect(eventually { try topic.versions(of: "moved.jpg") == [[1, 2, 3]] }, "\(producer.output)")
    // Most programs save under a temporary name first.
    try folder.write("images/saved.jpg.part", [4, 5])
    try folder.move("images/saved.jpg.part", to: "images/saved.jpg")
    #expect(eventually { try topic.versions(of: "saved.jpg") == [[4, 5]] }, "\(producer.output)")
  }

  @Test("a file that is written in pieces is sent once, when its writer closes it")
  func slowWriterIsAwaited() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    var slow: File? = try File.open(folder.path + "/images/slow.jpg", .createNew)
    for piece in 0..<10 {
      try folder.append(SeededNumbers.bytes(1_000, seed: UInt64(piece)), to: slow!)
      // The writer pauses several times as long as SETTLE_MS, for as long as the producer takes to find another file by
      // a scan.
      try folder.makeHardLink("images/\(piece).jpg", to: "images/ready.jpg")
      #expect(eventually { try topic.names().contains("\(piece).jpg") }, "\(producer.output)")
    }
    #expect(try topic.versions(of: "slow.jpg").isEmpty, "it was taken before it was finished")
    slow = nil
    let whole = (0..<10).flatMap { SeededNumbers.bytes(1_000, seed: UInt64($0)) }
    #expect(eventually { try topic.versions(of: "slow.jpg") == [whole] }, "\(producer.output)")
  }

  @Test("a file that is reopened and appended to is sent whole, and at most once before")
  func appendedFileIsSentWhole() throws {
    let producer = try producer([
      "SETTLE_MS": "500", "RESCAN_MS": "100", "AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0",
    ])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    var whole: [UInt8] = []
    for piece in 0..<5 {
      let bytes = SeededNumbers.bytes(1_000, seed: UInt64(piece))
      let file = try File.open(folder.path + "/images/steps.jpg", .create)
      try folder.append(bytes, to: file)
      whole += bytes
      #expect(topic.receives("\(piece).jpg", from: folder), "\(producer.output)")
    }
    #expect(eventually { try topic.versions(of: "steps.jpg").last == whole }, "\(producer.output)")
    #expect(try topic.versions(of: "steps.jpg").count <= 2)
    #expect(eventually { !folder.exists("images/steps.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a placeholder that is filled before it has settled is sent once", arguments: [0, 160_000])
  func filledPlaceholderIsSentOnce(reserved: Int) throws {
    let producer = try producer(["SETTLE_MS": "1000", "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try File.open(folder.path + "/images/later.jpg", .createNew).truncate(to: reserved)
    #expect(topic.receives("other.jpg", from: folder), "\(producer.output)")
    let whole = SeededNumbers.bytes(160_000, seed: 3)
    try folder.overwrite("images/later.jpg", whole)
    #expect(eventually { try topic.versions(of: "later.jpg") == [whole] }, "\(producer.output)")
  }

  @Test("an empty file is sent when it has settled")
  func emptyFileIsSent() throws {
    let producer = try producer(["SETTLE_MS": "100", "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("images/empty.jpg", [])
    #expect(eventually { try topic.versions(of: "empty.jpg") == [[]] }, "\(producer.output)")
  }

  @Test("a folder that is moved out of the input no longer marks files as finished")
  func movedFolderIsForgotten() throws {
    try folder.write("images/day/sub/old.jpg", [1])
    let producer = try producer(["SETTLE_MS": "300", "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { try topic.names().contains("day/sub/old.jpg") }, "\(producer.output)")
    try folder.move("images/day", to: "archive")
    try folder.makeFolder("images/day/sub")
    #expect(topic.receives("after.jpg", from: folder))
    let half = try File.open(folder.path + "/images/day/sub/a.jpg", .createNew)
    try folder.append([1], to: half)
    // The same relative path in the archive, closed and complete there.
    try folder.write("archive/sub/a.jpg", [9, 9])
    #expect(topic.receives("later.jpg", from: folder))
    #expect(try topic.versions(of: "day/sub/a.jpg").isEmpty)
    try folder.append([2], to: half)
    withExtendedLifetime(half) {}
  }

  @Test("an input that is a symbolic link is followed when its target changes", arguments: ["keep", "move"])
  func changedLinkIsFollowed(action: String) throws {
    try folder.write("v1/a.jpg", [1])
    try folder.write("v2/b.jpg", [2])
    try folder.makeLink("current", to: "v1")
    let environment = [
      "IMAGES_DIR": "current", "SETTLE_MS": "50", "RESCAN_MS": "100", "AFTER_SENT": action, "RECEIPTS_NEEDED": "0",
    ]
    let producer = try Program(["producer"], in: folder, environment: broker.environment(environment))
    #expect(eventually { try topic.names() == ["a.jpg"] }, "\(producer.output)")
    if action == "move" { #expect(eventually { folder.exists("v1/.sent/a.jpg") }, "\(producer.output)") }
    try folder.makeLink("next", to: "v2")
    try folder.move("next", to: "current")
    #expect(eventually { try topic.names() == ["a.jpg", "b.jpg"] }, "\(producer.output)")
    #expect(producer.events("input_moved").count == 1, "\(producer.output)")
    try folder.write("v2/c.jpg", [3])
    #expect(eventually { try topic.names() == ["a.jpg", "b.jpg", "c.jpg"] }, "\(producer.output)")
    if action == "move" { #expect(eventually { folder.exists("v2/.sent/c.jpg") }, "\(producer.output)") }
    // A link without a target for a while does not end the producer.
    try folder.move("current", to: "away")
    #expect(eventually { producer.hasEvent("folder_unreadable", naming: "current") }, "\(producer.output)")
    try folder.move("away", to: "current")
    try folder.write("v2/d.jpg", [4])
    #expect(eventually { try topic.names().contains("d.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("new folders are found with their files and watched") func newFoldersAreWatched() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("elsewhere/deep/down/moved.jpg", [1])
    try folder.move("elsewhere", to: "images/moved in")
    try folder.write("images/new/deeper/made.jpg", [2])
    let expected = ["moved in/deep/down/moved.jpg", "new/deeper/made.jpg", "ready.jpg"]
    #expect(eventually { try topic.names() == expected }, "\(producer.output)")
    try folder.write("images/new/deeper/later.jpg", [3])
    try folder.write("images/moved in/deep/down/later.jpg", [4])
    #expect(eventually { try topic.names().count == 5 }, "\(producer.output)")
    // A renamed folder inside the input gives all its images new names.
    try folder.move("images/new", to: "images/renamed")
    #expect(eventually { try topic.versions(of: "renamed/deeper/made.jpg") == [[2]] }, "\(producer.output)")
    try folder.write("images/renamed/deeper/last.jpg", [5])
    #expect(eventually { try topic.versions(of: "renamed/deeper/last.jpg") == [[5]] }, "\(producer.output)")
  }

  @Test("a file that raises no event is found by a scan") func eventlessFileIsFoundByScan() throws {
    let producer = try producer(["SETTLE_MS": "100", "RESCAN_MS": "100"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("outside.jpg", [1, 2])
    try folder.makeHardLink("images/hard.jpg", to: "outside.jpg")
    try folder.makeLink("images/soft.jpg", to: "../outside.jpg")
    #expect(eventually { try topic.names() == ["hard.jpg", "ready.jpg", "soft.jpg"] }, "\(producer.output)")
    #expect(try topic.versions(of: "hard.jpg") == [[1, 2]])
    #expect(try topic.versions(of: "soft.jpg") == [[1, 2]])
  }

  @Test("unfinished and hidden files are left alone") func unfinishedFilesAreLeftAlone() throws {
    let leftAlone = [
      ".hidden.jpg", "~lock.jpg", "#auto.jpg", "a.jpg.tmp", "a.jpg.TEMP", "a.jpg.part", "a.jpg.partial",
      "a.jpg.filepart", "a.jpg.crdownload", "a.jpg.download", "a.jpg.opdownload", "a.jpg.aria2", "a.jpg.!ut",
      "a.jpg.swp", "a.jpg.swx", "a.jpg.lock", "a.jpg~", ".hidden/a.jpg", "sub/.hidden/a.jpg", ".image.jpg.x7Gh2K",
    ]
    for name in leftAlone { try folder.write("images/" + name, [1]) }
    // Temporary files are skipped even if every extension is accepted.
    let producer = try producer(["IMAGE_EXTENSIONS": "*", "SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    for name in leftAlone { try folder.write("images/" + name, [2]) }
    try folder.makeLink("images/seen by a scan", to: "ready.jpg")
    #expect(eventually { try topic.names() == ["ready.jpg", "seen by a scan"] }, "\(producer.output)")
    #expect(topic.receives("no extension", from: folder))
    #expect(try topic.names() == ["no extension", "ready.jpg", "seen by a scan"])
  }

  @Test("folders of a NAS and excluded folders are not watched, even if they appear later")
  func excludedFoldersAreNotWatched() throws {
    try folder.write("images/@eaDir/before.jpg", [1])
    let producer = try producer(["IMAGE_EXCLUDE": "raw/", "SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    for name in [
      "@eaDir/after.jpg", "cat/@eaDir/a.jpg", "cat/#recycle/b.jpg", "raw/c.jpg", "cat/raw/d.jpg", "cat/good.jpg",
    ] {
      try folder.write("images/" + name, [2])
    }
    #expect(eventually { try topic.names().contains("cat/good.jpg") }, "\(producer.output)")
    // A NAS moves deleted files there.
    try folder.move("images/cat/good.jpg", to: "images/cat/#recycle/good.jpg")
    for number in 0..<3 { #expect(topic.receives("\(number).jpg", from: folder), "\(producer.output)") }
    #expect(try topic.names() == ["0.jpg", "1.jpg", "2.jpg", "cat/good.jpg", "ready.jpg"])
    // The input folder and `cat`.
    #expect(watches(of: producer) == 2)
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  private func watches(of producer: Program) -> Int {
    let descriptors = (try? Folder.open("/proc/\(producer.process)/fdinfo").names()) ?? []
    return descriptors.reduce(0) { $0 + producer.lines(of: "fdinfo/" + $1).count { $0.hasPrefix("inotify ") } }
  }

  @Test("extensions match in upper and lower case") func extensionsIgnoreCase() throws {
    for name in ["a.jpg", "b.JPG", "c.JpEg", "d.e.PNG", "f.txt", "jpg", "g.jpg.txt"] {
      try folder.write("images/" + name, [1])
    }
    let all = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(all.exitCode() == 0, "\(all.output)")
    #expect(try topic.names() == ["a.jpg", "b.JPG", "c.JpEg", "d.e.PNG"])
    let some = try Program(
      ["producer", "--once"], in: folder, environment: broker.environment(["IMAGE_EXTENSIONS": " .TXT , xyz"]))
    #expect(some.exitCode() == 0, "\(some.output)")
    #expect(try topic.names() == ["a.jpg", "b.JPG", "c.JpEg", "d.e.PNG", "f.txt", "g.jpg.txt"])
  }

  @Test("an input that is removed and re-created is watched again") func recreatedInputIsWatched() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.move("images", to: "gone")
    #expect(eventually { producer.hasEvent("folder_unreadable") }, "\(producer.output)")
    try folder.write("gone/elsewhere.jpg", [9])
    try folder.write("images/sub/again.jpg", [1])
    #expect(eventually { try topic.names().contains("sub/again.jpg") }, "\(producer.output)")
    #expect(try !topic.names().contains("elsewhere.jpg"))
    #expect(producer.terminate() == 0)
  }

  @Test("a terminated producer exits in time with all sent files in its ledger") func terminationRecordsSentFiles()
    throws
  {
    for number in 0..<100 {
      try folder.write("images/\(number).jpg", SeededNumbers.bytes(20_000, seed: UInt64(number)))
    }
    let first = try producer(["SETTLE_MS": "0"])
    #expect(eventually { try topic.ends()[0]! > 0 }, "\(first.output)")
    let start = ContinuousClock.now
    #expect(first.terminate() == 0, "\(first.output)")
    #expect(ContinuousClock.now - start < .seconds(8))
    let second = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(try topic.names() == (0..<100).map { "\($0).jpg" }.sorted(), "each once")
  }
}
