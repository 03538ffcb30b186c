import Glibc
import TestSupport
import Testing

@testable import Platform

/// An input folder with more than plain image files in it.
@Suite(.ownThread) struct InputTests {
  let folder = TestFolder()
  let broker: Broker
  let topic: TopicContent

  init() throws {
    broker = try Broker()
    topic = try TopicContent(broker)
    try folder.makeFolder("images")
  }

  func once(_ environment: [String: String] = [:]) throws -> Program {
    try Program(["producer", "--once"], in: folder, environment: broker.environment(environment))
  }

  func count(_ text: String, in program: Program) -> Int {
    program.output.split(separator: "\n").count { $0.contains(text) }
  }

  @Test("a linked file is sent under the link's name") func linkedFileHasLinkName() throws {
    try folder.write("elsewhere/original.jpg", [1, 2])
    try folder.makeLink("images/link.jpg", to: "../elsewhere/original.jpg")
    try folder.makeLink("images/no image", to: "../elsewhere/original.jpg")
    let producer = try once()
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try topic.names() == ["link.jpg"])
    #expect(try topic.versions(of: "link.jpg") == [[1, 2]])
  }

  @Test("a linked folder is not entered and is reported once") func linkedFolderIsReportedOnce() throws {
    try folder.write("elsewhere/a.jpg", [1])
    try folder.makeLink("images/linked", to: "../elsewhere")
    try folder.makeLink("images/upwards", to: "..")
    try folder.makeLink("images/circle.jpg", to: ".")
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["SETTLE_MS": "0", "RESCAN_MS": "100"]))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    for name in ["b.jpg", "c.jpg"] {
      // Each is found by a later scan.
      try folder.makeHardLink("images/" + name, to: "elsewhere/a.jpg")
      #expect(eventually { try topic.names().contains(name) }, "\(producer.output)")
    }
    // Without a settling time, a scan may have sent a still empty version of the first one.
    #expect(Set(try topic.names()) == ["b.jpg", "c.jpg", "ready.jpg"])
    for name in ["linked", "upwards", "circle.jpg"] {
      #expect(producer.events("link_skipped", ["folder": name]).count == 1, "\(producer.output)")
    }
  }

  @Test("--once reports how many files it skipped, by extension")
  func skippedFilesAreCounted() throws {
    for name in ["a.jpg", "b.cr2", "cat/c.CR2", "d.txt", "e", "f.jpg.part"] { try folder.write("images/" + name, [1]) }
    let some = try once()
    #expect(some.exitCode() == 0, "\(some.output)")
    let fields =
      "images=1 bytes=1 refused=0 passed_by=4 passed_by_extensions=\".cr2 2, without extension 1, .txt 1\" excluded=0"
    #expect(count(fields, in: some) == 1, "\(some.output)")
    #expect(!some.hasEvent("nothing_matches"), "\(some.output)")
    let none = try once(["IMAGE_EXTENSIONS": "webp"])
    #expect(none.exitCode() == 0, "\(none.output)")
    #expect(none.events("nothing_matches").count == 1, "\(none.output)")
  }

  @Test(
    "IMAGE_EXTENSIONS is understood in all common spellings",
    arguments: ["\"jpg,png\"", "*.jpg,*.png", "jpg;png", "jpg png", "jpg,png\r"])
  func extensionListsAreParsed(text: String) throws {
    for name in ["a.jpg", "b.PNG", "c.gif"] { try folder.write("images/" + name, [1]) }
    let producer = try once([
      "IMAGE_EXTENSIONS": text, "IMAGES_DIR": "images/\r", "AFTER_SENT": "keep\r", "SETTLE_MS": "0\r",
    ])
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try topic.names() == ["a.jpg", "b.PNG"])
  }

  @Test("files of a NAS or an operating system are neither sent nor a problem")
  func systemFilesAreLeftAlone() throws {
    let own = [
      "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "cat/@eaDir/b.jpg", "#recycle/c.jpg", "@Recycle/d.jpg",
      "$RECYCLE.BIN/e.jpg",
      "System Volume Information/f.jpg", "lost+found/g.jpg", "#snapshot/h.jpg", "__MACOSX/._i.jpg", "__MACOSX/j.jpg",
    ]
    for name in own + ["a.jpg", "cat/b.jpg"] { try folder.write("images/" + name, [1]) }
    // As it is for an ordinary user.
    #expect(chmod(folder.path + "/images/lost+found", 0) == 0)
    defer { chmod(folder.path + "/images/lost+found", 0o755) }
    let producer = try once(["AFTER_SENT": "delete", "RECEIPTS_NEEDED": "0"])
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try topic.names() == ["a.jpg", "cat/b.jpg"])
    for name in own where !name.hasPrefix("lost") { #expect(folder.exists("images/" + name), "\(name)") }
    let doctor = try Program(["doctor", "--json", "--producer"], in: folder, environment: broker.environment())
    #expect(doctor.exitCode() != nil)
    let found = doctor.results.first { $0["check"] == "images" }
    #expect(found?["text"]?.hasPrefix("0 images, ") == true, "\(doctor.output)")
  }

  @Test("IMAGE_EXCLUDE keeps files and folders from being sent, and verify agrees")
  func excludedFilesAreNotSent() throws {
    for name in ["a.jpg", "a_small.jpg", "raw/b.jpg", "cat/raw/c.jpg", "cat/d.jpg", "2024/x/e.jpg", "cat/2024/f.jpg"] {
      try folder.write("images/" + name, [UInt8(name.utf8.count)])
    }
    let environment = broker.environment(["IMAGE_EXCLUDE": "*_small.jpg, raw/,2024/**"])
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(try topic.names() == ["a.jpg", "cat/2024/f.jpg", "cat/d.jpg"])
    #expect(producer.hasEvent("producer_finished", ["excluded": "4"]), "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
    let verified = try Program(["verify"], in: folder, environment: environment)
    #expect(verified.exitCode() == 0, "\(verified.output)")
  }

  @Test("broken and circular links are harmless") func brokenLinksAreHarmless() throws {
    try folder.makeLink("images/broken.jpg", to: "nowhere.jpg")
    try folder.makeLink("images/circle.jpg", to: "circle.jpg")
    try folder.makeLink("images/one.jpg", to: "two.jpg")
    try folder.makeLink("images/two.jpg", to: "one.jpg")
    try folder.write("images/good.jpg", [1])
    let producer = try once()
    #expect(producer.exitCode() != nil, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"])
  }

  @Test("pipes and sockets are ignored without blocking") func pipesAndSocketsAreIgnored() throws {
    #expect(mkfifo(folder.path + "/images/pipe.jpg", 0o644) == 0)
    try folder.makeLink("images/to pipe.jpg", to: "pipe.jpg")
    let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array((folder.path + "/images/socket.jpg").utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    try folder.write("images/good.jpg", [1])
    let producer = try once()
    #expect(producer.exitCode(within: .seconds(20)) == 0, "\(producer.output)")
    #expect(try topic.names() == ["good.jpg"])
  }

  @Test("an unreadable file is reported once and retried when it changes") func unreadableFileIsRetried() throws {
    try folder.write("images/locked.jpg", [1])
    try folder.write("images/good.jpg", [2])
    #expect(chmod(folder.path + "/images/locked.jpg", 0) == 0)
    let environment = broker.environment(["STATE_DIR": "state", "SETTLE_MS": "0", "RESCAN_MS": "100"])
    try folder.makeFolder("state")
    for name in ["", "/state", "/images"] { #expect(chmod(folder.path + name, 0o777) == 0) }
    let first = try Program.unprivileged(["producer", "--once"], in: folder, environment: environment)
    #expect(first.exitCode() == 1, "\(first.output)")
    #expect(first.hasEvent("image_refused", ["image": "locked.jpg", "error": "EACCES"]), "\(first.output)")
    #expect(try topic.names() == ["good.jpg"])
    let second = try Program.unprivileged(["producer"], in: folder, environment: environment)
    #expect(eventually { second.hasEvent("image_refused", ["image": "locked.jpg"]) }, "\(second.output)")
    for name in ["b.jpg", "c.jpg"] {
      try folder.makeHardLink("images/" + name, to: "images/good.jpg")
      #expect(eventually { try topic.names().contains(name) }, "\(second.output)")
    }
    #expect(second.events("image_refused", ["image": "locked.jpg"]).count == 1, "not at each scan: \(second.output)")
    #expect(chmod(folder.path + "/images/locked.jpg", 0o644) == 0)
    #expect(eventually { try topic.names().contains("locked.jpg") }, "\(second.output)")
    #expect(second.terminate() == 0)
  }

  @Test("an output inside the input is not sent") func outputInsideInputIsNotSent() throws {
    // The folder exists, and is watched, before a consumer stores into it.
    try folder.makeFolder("images/out/cat")
    try folder.write("images/cat/a.jpg", [1])
    let environment = broker.environment([
      "PROCESSED_IMAGES_DIR": "images/out", "SETTLE_MS": "50", "RESCAN_MS": "100", "BATCH_IMAGES": "1",
    ])
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    try folder.write("images/out/mine.jpg", [2])
    #expect(eventually { try topic.names().contains("out/mine.jpg") }, "so far it is a folder like any other")
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { folder.exists("images/out/cat/a.jpg") && folder.exists("images/out/ready.jpg") })
    for name in ["b.jpg", "c.jpg"] {
      try folder.write("images/cat/" + name, [3])
      #expect(eventually { folder.exists("images/out/cat/" + name) }, "\(consumer.output)")
      try folder.makeHardLink("images/scanned " + name, to: "images/cat/a.jpg")
      #expect(eventually { try topic.names().contains("scanned " + name) }, "\(producer.output)")
    }
    let circling = try topic.names().filter { $0.hasPrefix("out/") && $0 != "out/mine.jpg" }
    #expect(circling.isEmpty, "images go round in a circle: \(circling)")
    #expect(producer.hasEvent("output_skipped"), "\(producer.output)")
    #expect(producer.terminate() == 0)
    #expect(consumer.terminate() == 0)
  }

  @Test("an input inside an output is refused") func inputInsideOutputIsRefused() throws {
    try folder.write("images/a.jpg", [1])
    let sent = try once()
    #expect(sent.exitCode() == 0, "\(sent.output)")
    let consumer = try Program(["consumer", "--count", "1"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try folder.write("processed_images/inside/b.jpg", [2])
    for input in ["processed_images", "processed_images/inside"] {
      let producer = try once(["IMAGES_DIR": input])
      #expect(producer.exitCode() == 1, "\(producer.output)")
      let isRefused = producer.hasEvent(
        "program_failed", ["error": "InputFolder.Refusal"], naming: "IMAGES_DIR=\(input) ")
      #expect(isRefused, "\(producer.output)")
    }
    #expect(try topic.names() == ["a.jpg"])
  }

  @Test("a run over an empty folder exits at once") func emptyFolderEndsAtOnce() throws {
    try folder.makeFolder("images/empty/too")
    let producer = try once()
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(producer.sent == 0, "\(producer.output)")
  }

  @Test("a missing input is reported with its fix") func missingFolderIsReported() throws {
    let unusable = ["error": "InputFolder.Unusable"]
    let producer = try once(["IMAGES_DIR": "nowhere/at all"])
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.hasEvent("program_failed", unusable, naming: "nowhere/at all", "IMAGES_DIR"), "\(producer.output)")
    try folder.write("file", [1])
    let file = try once(["IMAGES_DIR": "file"])
    #expect(file.exitCode() == 1, "\(file.output)")
    #expect(file.hasEvent("program_failed", unusable, naming: "IMAGES_DIR"), "\(file.output)")
  }

  @Test("a folder of thousands of files is sent completely") func thousandsOfFilesAreSent() throws {
    for number in 0..<3_000 { try folder.write("images/\(number).jpg", [UInt8(number & 0xFF)]) }
    let producer = try once()
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(producer.sent == 3_000, "\(producer.output)")
    #expect(try topic.ends()[0] == 3_000)
  }
}
