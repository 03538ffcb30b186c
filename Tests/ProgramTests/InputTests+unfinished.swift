import Glibc
import TestSupport
import Testing

@testable import Platform

/// Files that are still being written, that change while they are read, or whose change only ctime shows.
extension InputTests {
  @Test("a file that changes whenever it is read is named and ends a run with exit code 1")
  func alwaysChangingFileEndsRun() throws {
    try folder.makeLink("images/system.jpg", to: "/proc/cpuinfo")
    try folder.write("images/good.jpg", [1])
    let producer = try once(["SETTLE_MS": "20"])
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(count("image=system.jpg", in: producer) == 1, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"])
  }

  @Test("a file that is written without end is named and ends a run with exit code 1", arguments: [true, false])
  func endlessWriteEndsRun(pauses: Bool) throws {
    let file = try File.open(folder.path + "/images/growing.jpg", .createNew)
    try folder.append([1], to: file)
    let isOver = StopFlag()
    let writing = BackgroundThread.start("writing") { [folder] in
      while !pauses, !isOver.wait(for: .milliseconds(5)) { try? folder.append([1], to: file) }
    }
    defer { writing.join() }
    defer { isOver.set() }
    try folder.write("images/good.jpg", [1])
    let producer = try once(["SETTLE_MS": "20", "AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"])
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(count("image=growing.jpg", in: producer) == 1, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"])
    #expect(folder.exists("images/growing.jpg") && !folder.exists("images/good.jpg"))
  }

  @Test("a run ends although a file is appended to without end")
  func endlessAppendDoesNotBlockRun() throws {
    try folder.write("images/growing.jpg", [1])
    let isOver = StopFlag()
    let writing = BackgroundThread.start("writing") { [folder] in
      while !isOver.wait(for: .milliseconds(120)) {
        guard let file = try? File.open(folder.path + "/images/growing.jpg", .create) else { continue }
        try? folder.append([1], to: file)
      }
    }
    defer { writing.join() }
    defer { isOver.set() }
    let producer = try once(["SETTLE_MS": "0", "AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"])
    // 0 if the file is deleted between two writes, as requested.
    #expect(producer.exitCode(within: .seconds(60)) != nil, "\(producer.output)")
  }

  @Test("a run waits for a writer that pauses, then sends and deletes the whole file")
  func runWaitsForWriter() throws {
    var file: File? = try File.open(folder.path + "/images/upload.jpg", .createNew)
    try folder.append([1, 2], to: file!)
    try folder.write("images/good.jpg", [1])
    let producer = try once(["SETTLE_MS": "200", "AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"])
    #expect(eventually { !folder.exists("images/good.jpg") }, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"], "the upload is not finished")
    try folder.append([3], to: file!)
    file = nil
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try topic.versions(of: "upload.jpg") == [[1, 2, 3]])
    #expect(!folder.exists("images/upload.jpg"))
  }

  @Test("a change that size, mtime and inode do not show is sent by the next run")
  func hiddenChangeIsSent() throws {
    try folder.write("images/a.jpg", [1, 2, 3])
    #expect(try once().exitCode() == 0)
    let before = try #require(try FileStatus.of(folder.path + "/images/a.jpg"))
    try folder.overwrite("images/a.jpg", [9])
    try folder.setTime(of: "images/a.jpg", nanoseconds: before.modified)
    let second = try once()
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(try topic.versions(of: "a.jpg") == [[1, 2, 3], [9, 2, 3]])
  }

  @Test("a file that was refused and sent later does not count as failed")
  func sentFileIsNotCountedAsRefused() throws {
    try folder.makeLink("images/later.jpg", to: "/proc/cpuinfo")
    let producer = try Program(
      ["producer"], in: folder,
      environment: broker.environment(["SETTLE_MS": "10", "RESCAN_MS": "100", "LOG_LEVEL": "debug"]))
    #expect(eventually { producer.hasEvent("image_unfinished", ["image": "later.jpg"]) }, "\(producer.output)")
    #expect(eventually { producer.hasEvent("image_still_written", ["image": "later.jpg"]) }, "\(producer.output)")
    try folder.write("images/.new", [1])
    try folder.move("images/.new", to: "images/later.jpg")
    #expect(eventually { try topic.names() == ["later.jpg"] }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    #expect(producer.hasEvent("producer_finished", ["refused": "0"]), "\(producer.output)")
  }

  /// The kernel does not tell this user about the writer, but the folder's events do.
  @Test(
    "a file of another user is not sent while its writer pauses",
    .enabled("only root has files of other users") { getuid() == 0 })
  func otherUsersWriterIsAwaited() throws {
    try folder.makeFolder("state")
    for name in ["", "/state", "/images"] { #expect(chmod(folder.path + name, 0o777) == 0) }
    let environment = broker.environment(["STATE_DIR": "state", "SETTLE_MS": "500", "RESCAN_MS": "100"])
    let producer = try Program.unprivileged(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    var slow: File? = try File.open(folder.path + "/images/slow.jpg", .createNew)
    try folder.append([1], to: slow!)
    #expect(throughout(.seconds(2)) { try topic.versions(of: "slow.jpg").isEmpty }, "\(producer.output)")
    try folder.append([2], to: slow!)
    slow = nil
    #expect(eventually { try topic.versions(of: "slow.jpg") == [[1, 2]] }, "\(producer.output)")
  }

  @Test("an image whose event was lost is found by a scan at once") func lostEventsCauseScan() throws {
    let limit = try #require(Int(folder.system("fs/inotify/max_queued_events")))
    try #require(limit < 100_000)
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["RESCAN_MS": "3600000", "SETTLE_MS": "0"]))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    producer.signal(SIGSTOP)
    // Two alternating names, since the kernel merges equal events in succession.
    for number in 0...limit { try folder.write("images/\(number % 2).txt", []) }
    try folder.write("images/late.jpg", [1])
    producer.signal(SIGCONT)
    #expect(eventually { try topic.versions(of: "late.jpg") == [[1]] }, "\(producer.output)")
  }
}

extension TestFolder {
  /// A kernel setting, without its line end.
  fileprivate func system(_ name: String) -> String {
    guard let file = try? File.open("/proc/sys/" + name, .read) else { return "" }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    return String(decoding: bytes.prefix(count).filter { $0 > 0x20 }, as: UTF8.self)
  }
}
