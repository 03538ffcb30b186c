import Glibc
import TestSupport
import Testing

@testable import Platform

/// Names of files and folders in the input: any UTF-8 is carried, anything else is reported.
@Suite(.ownThread) struct InputNameTests {
  private let folder = TestFolder()
  private let broker: Broker
  private let topic: TopicContent

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  private func once(_ environment: [String: String] = [:]) throws -> Program {
    try Program(["producer", "--once"], in: folder, environment: broker.environment(environment))
  }

  private func count(_ text: String, in program: Program) -> Int {
    program.output.split(separator: "\n").count { $0.contains(text) }
  }

  @Test("a file name that is not UTF-8 is reported") func nonTextFileNameIsReported() throws {
    // Byte 0xFF is never part of UTF-8.
    let bad = Array((folder.path + "/images/a").utf8) + [0xFF]
    bad.appending(".jpg").withUnsafeBufferPointer { _ = close(open($0.baseAddress!, O_CREAT | O_WRONLY, 0o644)) }
    try folder.write("images/good.jpg", [1])
    let producer = try once()
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.events("name_refused").count == 1, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"])
    bad.appending(".jpg").withUnsafeBufferPointer { _ = unlink($0.baseAddress!) }
  }

  @Test("a folder name that is not UTF-8 is reported") func nonTextFolderNameIsReported() throws {
    let bad = Array((folder.path + "/images/a").utf8) + [0xFF]
    bad.appending("").withUnsafeBufferPointer { _ = mkdir($0.baseAddress!, 0o755) }
    bad.appending("/lost.jpg").withUnsafeBufferPointer { _ = close(open($0.baseAddress!, O_CREAT | O_WRONLY, 0o644)) }
    let producer = try once()
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.events("name_refused").count == 1, "\(producer.output)")
    bad.appending("/lost.jpg").withUnsafeBufferPointer { _ = unlink($0.baseAddress!) }
    bad.appending("").withUnsafeBufferPointer { _ = rmdir($0.baseAddress!) }
  }

  @Test("a name that is not UTF-8 is ignored if the file is no image") func nonTextNamesOfOthersAreIgnored() throws {
    let bad = Array((folder.path + "/images/notes").utf8) + [0xFF]
    bad.appending(".txt").withUnsafeBufferPointer { _ = close(open($0.baseAddress!, O_CREAT | O_WRONLY, 0o644)) }
    let producer = try once()
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(!producer.hasEvent("name_refused"), "\(producer.output)")
    bad.appending(".txt").withUnsafeBufferPointer { _ = unlink($0.baseAddress!) }
  }

  @Test("unusual names arrive unchanged") func unusualNamesArrive() throws {
    let names = [
      "with space.jpg", "line\nend.jpg", "\"quoted\" 'both' \\ways.jpg", "tab\t.jpg", "日本/画像.jpg", "😀.jpg", "-dash.jpg",
      String(repeating: "x", count: 251) + ".jpg", "a,b;c.jpg", "$(touch x) `x` %s {}.jpg", "\u{1}\u{7F}.jpg",
      // Equal to people and to Swift, different files to the kernel.
      "caf\u{E9}.jpg", "cafe\u{301}.jpg", "\u{E9}/1.jpg", "e\u{301}/1.jpg",
    ]
    for (number, name) in names.enumerated() { try folder.write("images/" + name, [UInt8(number), 7]) }
    let producer = try once()
    #expect(producer.exitCode() == 0, "\(producer.output)")
    for (number, name) in names.enumerated() {
      #expect(try topic.versions(of: name) == [[UInt8(number), 7]], "\(name)")
    }
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    for (number, name) in names.enumerated() {
      #expect(folder.bytes("processed_images/" + name) == [UInt8(number), 7], "\(name)")
    }
    let verify = try Program(["verify"], in: folder)
    #expect(verify.exitCode() == 0, "\(verify.output)")
  }
}

extension [UInt8] {
  /// A path of any bytes, for system calls.
  fileprivate func appending(_ text: String) -> [CChar] {
    (self + Array(text.utf8) + [0]).map { CChar(bitPattern: $0) }
  }
}
