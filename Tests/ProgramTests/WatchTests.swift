import Glibc
import Testing

@testable import Platform

/// A producer that goes on: what it takes, when, and what it leaves alone.
@Suite(.ownThread) struct WatchTests {
  let folder = Scratch()
  let broker: Broker
  let topic: TopicContent

  /// So long that what is sent within a test's patience was sent for an event.
  static let never = "3600000"

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  private func producer(_ environment: [String: String] = [:]) throws -> Program {
    try Program(["producer"], in: folder, environment: broker.environment(environment))
  }

  /// Sends a file and waits until it is on the topic: what came before it has been dealt with by then.
  private func sentinel(_ name: String) -> Bool {
    guard (try? folder.write("images/" + name, [0])) != nil else { return false }
    return eventually { try topic.names().contains(name) }
  }

  @Test func aClosedFileIsSentAtOnceThoughSettlingTakesLong() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("images/closed.jpg", Scratch.bytes(5_000, seed: 1))
    #expect(eventually { try topic.versions(of: "closed.jpg") == [Scratch.bytes(5_000, seed: 1)] })
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test func aFileThatIsRenamedIntoTheFolderIsSentAtOnce() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("elsewhere.jpg", [1, 2, 3])
    try folder.move("elsewhere.jpg", to: "images/moved.jpg")
    #expect(eventually { try topic.versions(of: "moved.jpg") == [[1, 2, 3]] }, "\(producer.output)")
    // As most programs save: a temporary name first.
    try folder.write("images/saved.jpg.part", [4, 5])
    try folder.move("images/saved.jpg.part", to: "images/saved.jpg")
    #expect(eventually { try topic.versions(of: "saved.jpg") == [[4, 5]] }, "\(producer.output)")
  }

  @Test("a file that is written in pieces is sent once, when its writer closes it")
  func slowWriterIsWaitedFor() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    var slow: File? = try File.open(folder.path + "/images/slow.jpg", .createNew)
    for piece in 0..<10 {
      try folder.append(Scratch.bytes(1_000, seed: UInt64(piece)), to: slow!)
      // The writer pauses for several times SETTLE_MS, as long as the producer takes to find something else by a scan.
      try folder.makeHardLink("images/\(piece).jpg", to: "images/ready.jpg")
      #expect(eventually { try topic.names().contains("\(piece).jpg") }, "\(producer.output)")
    }
    #expect(try topic.versions(of: "slow.jpg").isEmpty, "it was taken before it was finished")
    slow = nil
    let whole = (0..<10).flatMap { Scratch.bytes(1_000, seed: UInt64($0)) }
    #expect(eventually { try topic.versions(of: "slow.jpg") == [whole] }, "\(producer.output)")
  }

  @Test("a file that is opened, appended to and closed again and again is sent whole, and at most once before")
  func appendedFileIsSentWhole() throws {
    let producer = try producer(["SETTLE_MS": "500", "RESCAN_MS": "100", "AFTER_SENT": "delete"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    var whole: [UInt8] = []
    for piece in 0..<5 {
      let bytes = Scratch.bytes(1_000, seed: UInt64(piece))
      let file = try File.open(folder.path + "/images/steps.jpg", .create)
      try folder.append(bytes, to: file)
      whole += bytes
      #expect(sentinel("\(piece).jpg"), "\(producer.output)")
    }
    #expect(eventually { try topic.versions(of: "steps.jpg").last == whole }, "\(producer.output)")
    #expect(try topic.versions(of: "steps.jpg").count <= 2)
    #expect(eventually { !folder.exists("images/steps.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test("a placeholder that is filled before it has settled is sent once", arguments: [0, 160_000])
  func filledPlaceholderIsSentOnce(reserved: Int) throws {
    let producer = try producer(["SETTLE_MS": "1000", "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try File.open(folder.path + "/images/later.jpg", .createNew).truncate(to: reserved)
    #expect(sentinel("other.jpg"), "\(producer.output)")
    let whole = Scratch.bytes(160_000, seed: 3)
    try folder.overwrite("images/later.jpg", whole)
    #expect(eventually { try topic.versions(of: "later.jpg") == [whole] }, "\(producer.output)")
  }

  @Test("an empty file is sent when it has settled")
  func emptyFileIsSent() throws {
    let producer = try producer(["SETTLE_MS": "100", "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("images/empty.jpg", [])
    #expect(eventually { try topic.versions(of: "empty.jpg") == [[]] }, "\(producer.output)")
  }

  @Test("a folder that is moved out of the input does not make files of its name count as finished")
  func movedFolderIsForgotten() throws {
    try folder.write("images/day/sub/old.jpg", [1])
    let producer = try producer(["SETTLE_MS": "300", "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    #expect(eventually { try topic.names().contains("day/sub/old.jpg") }, "\(producer.output)")
    try folder.move("images/day", to: "archive")
    try folder.makeFolder("images/day/sub")
    #expect(sentinel("after.jpg"))
    let half = try File.open(folder.path + "/images/day/sub/a.jpg", .createNew)
    try folder.append([1], to: half)
    // The same relative path in the archive: closed there, and complete.
    try folder.write("archive/sub/a.jpg", [9, 9])
    #expect(sentinel("later.jpg"))
    #expect(try topic.versions(of: "day/sub/a.jpg").isEmpty)
    try folder.append([2], to: half)
    withExtendedLifetime(half) {}
  }

  @Test("an input that is a symbolic link is followed when it leads elsewhere", arguments: ["keep", "move"])
  func changedLinkIsFollowed(action: String) throws {
    try folder.write("v1/a.jpg", [1])
    try folder.write("v2/b.jpg", [2])
    try folder.makeLink("current", to: "v1")
    let environment = ["IMAGES_DIR": "current", "SETTLE_MS": "50", "RESCAN_MS": "100", "AFTER_SENT": action]
    let producer = try Program(["producer"], in: folder, environment: broker.environment(environment))
    #expect(eventually { try topic.names() == ["a.jpg"] }, "\(producer.output)")
    if action == "move" { #expect(eventually { folder.exists("v1/.sent/a.jpg") }, "\(producer.output)") }
    try folder.makeLink("next", to: "v2")
    try folder.move("next", to: "current")
    #expect(eventually { try topic.names() == ["a.jpg", "b.jpg"] }, "\(producer.output)")
    try folder.write("v2/c.jpg", [3])
    #expect(eventually { try topic.names() == ["a.jpg", "b.jpg", "c.jpg"] }, "\(producer.output)")
    if action == "move" { #expect(eventually { folder.exists("v2/.sent/c.jpg") }, "\(producer.output)") }
    // A link that leads nowhere for a while is no reason to end.
    try folder.move("current", to: "away")
    #expect(eventually { producer.output.contains("current") }, "\(producer.output)")
    try folder.move("away", to: "current")
    try folder.write("v2/d.jpg", [4])
    #expect(eventually { try topic.names().contains("d.jpg") }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  @Test func foldersThatAppearAreFoundWithTheirFilesAndWatched() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("elsewhere/deep/down/moved.jpg", [1])
    try folder.move("elsewhere", to: "images/moved in")
    try folder.write("images/new/deeper/made.jpg", [2])
    let expected = ["moved in/deep/down/moved.jpg", "new/deeper/made.jpg", "ready.jpg"]
    #expect(eventually { try topic.names() == expected }, "\(producer.output)")
    try folder.write("images/new/deeper/later.jpg", [3])
    try folder.write("images/moved in/deep/down/later.jpg", [4])
    #expect(eventually { try topic.names().count == 5 }, "\(producer.output)")
    // Within the input, a folder's new name is a new name for each of its images.
    try folder.move("images/new", to: "images/renamed")
    #expect(eventually { try topic.versions(of: "renamed/deeper/made.jpg") == [[2]] }, "\(producer.output)")
    try folder.write("images/renamed/deeper/last.jpg", [5])
    #expect(eventually { try topic.versions(of: "renamed/deeper/last.jpg") == [[5]] }, "\(producer.output)")
  }

  @Test func aFileThatRaisesNoEventIsFoundByAScan() throws {
    let producer = try producer(["SETTLE_MS": "100", "RESCAN_MS": "100"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("outside.jpg", [1, 2])
    try folder.makeHardLink("images/hard.jpg", to: "outside.jpg")
    try folder.makeLink("images/soft.jpg", to: "../outside.jpg")
    #expect(eventually { try topic.names() == ["hard.jpg", "ready.jpg", "soft.jpg"] }, "\(producer.output)")
    #expect(try topic.versions(of: "hard.jpg") == [[1, 2]])
    #expect(try topic.versions(of: "soft.jpg") == [[1, 2]])
  }

  @Test func aChangedFileIsSentAgainAndATouchedOneIsNot() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100", "LOG_LEVEL": "debug"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    for name in ["changed", "touched"] { try folder.write("images/\(name).jpg", [1, 1, 1]) }
    #expect(eventually { try topic.names().count == 3 })
    try folder.touch("images/touched.jpg")
    #expect(eventually { producer.output.contains("sent before, with the same bytes  image=touched.jpg") })
    try folder.write("images/touched.jpg", [1, 1, 1])
    try folder.write("images/changed.jpg", [2, 2, 2])
    #expect(eventually { try topic.versions(of: "changed.jpg") == [[1, 1, 1], [2, 2, 2]] }, "\(producer.output)")
    // Back again is another change.
    try folder.write("images/changed.jpg", [1, 1, 1])
    #expect(eventually { try topic.versions(of: "changed.jpg").count == 3 }, "\(producer.output)")
    #expect(sentinel("after.jpg"))
    #expect(try topic.versions(of: "touched.jpg") == [[1, 1, 1]])
  }

  @Test func versionsOfAnImageKeepTheirOrderWhileTheBrokerIsAway() throws {
    // Only events lead to it, so the later versions are ones that the first is still in flight for.
    let producer = try producer(["SETTLE_MS": "200", "RESCAN_MS": Self.never, "LOG_LEVEL": "debug"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    broker.setDown(true)
    try folder.write("images/image.jpg", [1])
    try folder.write("images/image.jpg", [2, 2])
    try folder.write("images/image.jpg", [3, 3, 3])
    broker.setDown(false)
    let after = try TopicContent(broker)
    #expect(eventually { try after.versions(of: "image.jpg").last == [3, 3, 3] }, "\(producer.output)")
    try folder.write("images/after.jpg", [0])
    #expect(eventually { try after.names().contains("after.jpg") }, "\(producer.output)")
    let lengths = try after.versions(of: "image.jpg").map(\.count)
    #expect(lengths == Array(Set(lengths)).sorted(), "each version at most once, in order: \(lengths)")
  }

  @Test func aChangeThatLeavesTheFilesTimeAsItWasIsSent() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.write("images/image.jpg", [1, 1])
    #expect(eventually { try topic.versions(of: "image.jpg") == [[1, 1]] }, "\(producer.output)")
    // As a copy that preserves times does, or one that is quick on a file system whose clock is coarse.
    let before = try #require(try FileStatus.of(folder.path + "/images/image.jpg"))
    let changed: [UInt8] = [2, 2]
    try folder.overwrite("images/image.jpg", changed)
    try folder.setTime(of: "images/image.jpg", nanoseconds: before.modified)
    try folder.move("images/image.jpg", to: "image.jpg")
    try folder.move("image.jpg", to: "images/image.jpg")
    #expect(eventually { try topic.versions(of: "image.jpg") == [[1, 1], changed] }, "\(producer.output)")
  }

  @Test func noVersionIsLostThatIsWrittenWithinATickOfTheFileSystemsClock() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "200"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    // In place and as long as before: size, inode and, within some milliseconds, the time of change stay the same.
    for number in 0..<150 {
      try folder.write("images/\(number).jpg", [UInt8(number), 1])
      usleep(UInt32(number % 10) * 200)
      try folder.overwrite("images/\(number).jpg", [UInt8(number), 2])
    }
    #expect(sentinel("after.jpg"))
    var lost: [Int] = []
    let isSent = eventually {
      let last = try topic.messages().reduce(into: [:]) { $0[$1.name] = $1.bytes }
      lost = (0..<150).filter { last["\($0).jpg"] != [UInt8($0), 2] }
      return lost.isEmpty
    }
    #expect(isSent, "the last version of \(lost) is not on the topic")
  }

  @Test func unfinishedAndHiddenFilesAreLeftAlone() throws {
    let leftAlone = [
      ".hidden.jpg", "~lock.jpg", "#auto.jpg", "a.jpg.tmp", "a.jpg.TEMP", "a.jpg.part", "a.jpg.partial",
      "a.jpg.filepart", "a.jpg.crdownload", "a.jpg.download", "a.jpg.opdownload", "a.jpg.aria2", "a.jpg.!ut",
      "a.jpg.swp", "a.jpg.swx", "a.jpg.lock", "a.jpg~", ".hidden/a.jpg", "sub/.hidden/a.jpg", ".image.jpg.x7Gh2K",
    ]
    for name in leftAlone { try folder.write("images/" + name, [1]) }
    // With every extension welcome, the temporary ones are not.
    let producer = try producer(["IMAGE_EXTENSIONS": "*", "SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    for name in leftAlone { try folder.write("images/" + name, [2]) }
    try folder.makeLink("images/seen by a scan", to: "ready.jpg")
    #expect(eventually { try topic.names() == ["ready.jpg", "seen by a scan"] }, "\(producer.output)")
    #expect(sentinel("no extension"))
    #expect(try topic.names() == ["no extension", "ready.jpg", "seen by a scan"])
  }

  @Test("folders of a NAS and excluded ones are not watched, also if they appear later")
  func foldersThatAreLeftAloneAreNotWatched() throws {
    try folder.write("images/@eaDir/before.jpg", [1])
    let producer = try producer(["IMAGE_EXCLUDE": "raw/", "SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    for name in [
      "@eaDir/after.jpg", "cat/@eaDir/a.jpg", "cat/#recycle/b.jpg", "raw/c.jpg", "cat/raw/d.jpg", "cat/good.jpg",
    ] {
      try folder.write("images/" + name, [2])
    }
    #expect(eventually { try topic.names().contains("cat/good.jpg") }, "\(producer.output)")
    // Moved there by the NAS, as a user deletes.
    try folder.move("images/cat/good.jpg", to: "images/cat/#recycle/good.jpg")
    for number in 0..<3 { #expect(sentinel("\(number).jpg"), "\(producer.output)") }
    #expect(try topic.names() == ["0.jpg", "1.jpg", "2.jpg", "cat/good.jpg", "ready.jpg"])
    // The input and cat.
    #expect(watches(of: producer) == 2)
    #expect(producer.terminate() == 0, "\(producer.output)")
  }

  private func watches(of producer: Program) -> Int {
    let descriptors = (try? Folder.open("/proc/\(producer.process)/fdinfo").names()) ?? []
    return descriptors.reduce(0) { $0 + producer.lines(of: "fdinfo/" + $1).count { $0.hasPrefix("inotify ") } }
  }

  @Test func extensionsCountInAnyCase() throws {
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

  @Test func aFolderThatIsRemovedAndMadeAgainIsWatchedAgain() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100"])
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    try folder.move("images", to: "gone")
    #expect(eventually { producer.output.contains("could not be read") }, "\(producer.output)")
    try folder.write("gone/elsewhere.jpg", [9])
    try folder.write("images/sub/again.jpg", [1])
    #expect(eventually { try topic.names().contains("sub/again.jpg") }, "\(producer.output)")
    #expect(try !topic.names().contains("elsewhere.jpg"))
    #expect(producer.terminate() == 0)
  }

  @Test func terminationEndsItInTimeWithWhatWasSentInTheLedger() throws {
    for number in 0..<100 { try folder.write("images/\(number).jpg", Scratch.bytes(20_000, seed: UInt64(number))) }
    let first = try producer(["SETTLE_MS": "0"])
    #expect(eventually { try topic.ends()[0]! > 0 }, "\(first.output)")
    let start = Clock.monotonicMilliseconds
    #expect(first.terminate() == 0, "\(first.output)")
    #expect(Clock.monotonicMilliseconds - start < 8_000)
    let second = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(try topic.names() == (0..<100).map { "\($0).jpg" }.sorted(), "each once")
  }
}
