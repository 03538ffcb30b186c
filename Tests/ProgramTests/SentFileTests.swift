import Glibc
import TestSupport
import Testing

@testable import Platform

/// AFTER_SENT acts only on the version of a file that was sent.
@Suite(.ownThread) struct SentFileTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent
  /// A long name with a character that is two to the kernel: temporary names must hold it.
  private static let long = String(repeating: "l", count: 246) + "\u{E9}.jpg"

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images/cat")
  }

  private func producer(
    _ action: String, _ more: [String: String] = [:], arguments: [String] = ["producer", "--once"]
  ) throws -> Program {
    let environment = [
      "AFTER_SENT": action, "SENT_DIR": "sent", "SETTLE_MS": "50", "RESCAN_MS": "100", "RECEIPTS_NEEDED": "0",
    ]
    return try Program(
      arguments, in: folder, environment: broker.environment(environment.merging(more) { $1 }))
  }

  /// Renames a newer version over the file, as editors and downloads do.
  private func replace(_ name: String, _ bytes: [UInt8]) throws {
    try folder.write("images/cat/.newer", bytes)
    try folder.move("images/cat/.newer", to: "images/cat/" + name)
  }

  private func expectGone(_ action: String, _ name: String, _ versions: [[UInt8]]) throws {
    #expect(try topic.versions(of: "cat/" + name) == versions)
    #expect(try folder.files("images") == [])
    guard action == "move" else { return }
    for (number, bytes) in versions.enumerated() {
      let sent = number == 0 ? name : "\(name).\(number + 1)"
      #expect(folder.bytes("sent/cat/" + sent) == bytes, "\(sent)")
    }
  }

  @Test(
    "a version written after the last check is sent too", arguments: ["move", "delete"],
    [["producer", "--once"], ["producer"]])
  func lateVersionIsSent(action: String, arguments: [String]) throws {
    try folder.write("images/cat/a.jpg", [1])
    let producer = try producer(action, ["FAULT_POINT": "sentFileChecked:1:stop"], arguments: arguments)
    #expect(eventually { producer.isSuspended }, "\(producer.output)")
    try replace("a.jpg", [2])
    producer.signal(SIGCONT)
    #expect(eventually { try topic.versions(of: "cat/a.jpg") == [[1], [2]] }, "\(producer.output)")
    #expect(eventually { try folder.files("images") == [] }, "\(producer.output)")
    if arguments.contains("--once") {
      #expect(producer.exitCode() == 0, "\(producer.output)")
    } else {
      #expect(producer.terminate() == 0, "\(producer.output)")
    }
    #expect(try topic.versions(of: "cat/a.jpg") == [[1], [2]])
    // The first version was replaced by its writer.
    if action == "move" { #expect(try folder.files("sent") == ["cat/a.jpg"]) }
  }

  @Test("a version written while the file is being moved is sent too", arguments: ["move", "delete"])
  func versionDuringMoveIsSent(action: String) throws {
    try folder.write("images/cat/a.jpg", [1])
    let producer = try producer(
      action, ["FAULT_POINT": "sentFileSetAside:1:stop"], arguments: ["producer"])
    #expect(eventually { producer.isSuspended }, "\(producer.output)")
    #expect(!folder.exists("images/cat/a.jpg"))
    try replace("a.jpg", [2])
    producer.signal(SIGCONT)
    #expect(eventually { try topic.versions(of: "cat/a.jpg").count == 2 }, "\(producer.output)")
    #expect(eventually { try folder.files("images") == [] }, "\(producer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    try expectGone(action, "a.jpg", [[1], [2]])
  }

  /// Killed with the sent file set aside. The next producer finds it alone or next to a newer version.
  @Test(
    "a file that a kill left set aside is moved or deleted by the next producer", arguments: ["move", "delete"],
    [false, true])
  func interruptedMoveIsCompleted(action: String, isReplaced: Bool) throws {
    for name in ["a.jpg", Self.long] {
      try folder.write("images/cat/" + name, [1])
      let victim = try producer(action, ["FAULT_POINT": "sentFileSetAside"])
      #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
      #expect(!folder.exists("images/cat/" + name))
      if isReplaced { try replace(name, [2]) }
      let next = try producer(action)
      #expect(next.exitCode() == 0, "\(next.output)")
      #expect(next.sent == (isReplaced ? 1 : 0), "\(next.output)")
      try expectGone(action, name, isReplaced ? [[1], [2]] : [[1]])
      #expect(try folder.everything("images") == ["cat"])
    }
  }

  @Test("a file that a kill left set aside is put back by AFTER_SENT=keep") func interruptedMoveIsUndoneByKeep() throws
  {
    try folder.write("images/cat/a.jpg", [1])
    let victim = try producer("delete", ["FAULT_POINT": "sentFileSetAside"])
    #expect(victim.exitCode() == 128 + SIGKILL, "\(victim.output)")
    let next = try producer("keep")
    #expect(next.exitCode() == 0, "\(next.output)")
    #expect(next.sent == 0, "\(next.output)")
    #expect(folder.bytes("images/cat/a.jpg") == [1])
  }
}

extension TestFolder {
  /// All entries below a folder, hidden ones included.
  fileprivate func everything(_ folder: String) throws -> [String] {
    let walker = try FolderWalker(root: path + "/" + folder) { _ in true }
    var names: [String] = []
    while let entry = walker.next() { names.append(String(decoding: try entry.get().relativePath, as: UTF8.self)) }
    return names.sorted()
  }
}
