import Glibc
import TestSupport
import Testing

@testable import Platform

/// Files that change after they were sent: each version is sent once, in order.
extension WatchTests {
  @Test("a changed file is sent again, a touched one is not") func touchedFileIsNotSentAgain() throws {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "100", "LOG_LEVEL": "debug"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    for name in ["changed", "touched"] { try folder.write("images/\(name).jpg", [1, 1, 1]) }
    #expect(eventually { try topic.names().count == 3 })
    try folder.touch("images/touched.jpg")
    #expect(eventually { producer.hasEvent("image_known", ["image": "touched.jpg"]) })
    try folder.write("images/touched.jpg", [1, 1, 1])
    try folder.write("images/changed.jpg", [2, 2, 2])
    #expect(eventually { try topic.versions(of: "changed.jpg") == [[1, 1, 1], [2, 2, 2]] }, "\(producer.output)")
    // Changing back is another change.
    try folder.write("images/changed.jpg", [1, 1, 1])
    #expect(eventually { try topic.versions(of: "changed.jpg").count == 3 }, "\(producer.output)")
    #expect(topic.receives("after.jpg", from: folder))
    #expect(try topic.versions(of: "touched.jpg") == [[1, 1, 1]])
  }

  @Test("versions of an image keep their order while the broker is down") func versionsKeepOrderInOutage() throws {
    // Only events find it, so the later versions arrive while the first is in flight.
    let producer = try producer(["SETTLE_MS": "200", "RESCAN_MS": Self.never, "LOG_LEVEL": "debug"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
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

  @Test("a change that leaves the file's time unchanged is sent") func changeWithSameTimeIsSent() throws {
    let producer = try producer(["SETTLE_MS": Self.never, "RESCAN_MS": Self.never])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("images/image.jpg", [1, 1])
    #expect(eventually { try topic.versions(of: "image.jpg") == [[1, 1]] }, "\(producer.output)")
    // A copy that preserves times does this, and so does a coarse file system clock.
    let before = try #require(try FileStatus.of(folder.path + "/images/image.jpg"))
    let changed: [UInt8] = [2, 2]
    try folder.overwrite("images/image.jpg", changed)
    try folder.setTime(of: "images/image.jpg", nanoseconds: before.modified)
    try folder.move("images/image.jpg", to: "image.jpg")
    try folder.move("image.jpg", to: "images/image.jpg")
    #expect(eventually { try topic.versions(of: "image.jpg") == [[1, 1], changed] }, "\(producer.output)")
  }

  @Test("a version written within one tick of the file system's clock is not lost") func versionInSameTickIsSent()
    throws
  {
    let producer = try producer(["SETTLE_MS": "50", "RESCAN_MS": "200"])
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    // In place and with the same length: size, inode and, for some milliseconds, mtime stay the same.
    for number in 0..<150 {
      try folder.write("images/\(number).jpg", [UInt8(number), 1])
      pause(.microseconds(UInt32(number % 10) * 200))
      try folder.overwrite("images/\(number).jpg", [UInt8(number), 2])
    }
    #expect(topic.receives("after.jpg", from: folder))
    var lost: [Int] = []
    let isSent = eventually {
      let last = try topic.messages().reduce(into: [:]) { $0[$1.name] = $1.bytes }
      lost = (0..<150).filter { last["\($0).jpg"] != [UInt8($0), 2] }
      return lost.isEmpty
    }
    #expect(isSent, "the last version of \(lost) is not on the topic")
  }
}
