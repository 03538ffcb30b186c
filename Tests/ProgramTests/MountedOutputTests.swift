import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// An output with a mount point inside, which only root can create.
@Suite(.ownThread, .enabled("mounting is not permitted") { SmallDisk.isPermitted }) struct MountedOutputTests {
  private let folder = TestFolder()

  private func kinds(_ broker: Broker) throws -> [String] {
    try broker.deadLetters().map { $0.header("__connect.errors.exception.class.name") ?? "" }
  }

  /// No file can be renamed onto a mount. Endless retries would block everything after it.
  @Test(
    "images below a mount point become dead letters; the others are stored",
    arguments: ["disk", "read-only disk", "folder", "read-only folder"])
  func namesBelowMountAreDeadLetters(kind: String) throws {
    let broker = try Broker.preferred()
    try broker.send([.image("cat/first.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    let place = folder.path + "/" + TestFolder.output + "/cat"
    var disk: SmallDisk?
    var bind: BindMount?
    if kind.hasSuffix("disk") {
      disk = try SmallDisk(at: place, bytes: 1 << 20)
      if kind.hasPrefix("read-only") { try disk?.makeReadOnly() }
    } else {
      try folder.makeFolder("elsewhere")
      bind = try BindMount(folder.path + "/elsewhere", at: place)
      if kind.hasPrefix("read-only") { try bind?.makeReadOnly() }
    }
    defer {
      disk?.remove()
      bind?.remove()
    }
    let large = TestMessage.segments("cat/large.png", SeededNumbers.bytes(2_500, seed: 1), size: 1_000)
    try broker.send(
      [.image("cat/1.jpg", [2])] + large + [.image("cat/deep/2.jpg", [3]), .image("good.jpg", [4])])
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    #expect(try kinds(broker) == Array(repeating: "NameRefusal", count: 5))
    let reason = try broker.deadLetters().first?.header("__connect.errors.exception.message") ?? ""
    #expect(reason.contains("a mount point"), "\(reason)")
    #expect(folder.rowNames == ["cat/first.jpg", "good.jpg"])
    #expect(folder.bytes(TestFolder.output + "/good.jpg") == [4])
    #expect(try folder.leftovers() == [])
    // Replayed after the cause is fixed, they are stored.
    disk?.remove()
    bind?.remove()
    let replay = try Program(["dead-letters", "--replay"], in: folder, environment: broker.environment())
    #expect(replay.exitCode() == 0, "\(replay.output)")
    #expect(try Program.storeAll(in: folder, broker).stored == 3)
  }

  @Test("the page shows images as they are stored, although its mount of the output is read-only")
  func pageOfReadOnlyMount() throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send([.image("1.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    try folder.makeFolder("seen")
    let mount = try BindMount(folder.path + "/" + TestFolder.output, at: folder.path + "/seen")
    defer { mount.remove() }
    try mount.makeReadOnly()
    let port = try StatusPage.freePort()
    let page = try Program(["page", "--output", "seen"], in: folder, environment: ["PAGE_PORT": "\(port)"])
    func shows(_ newest: Int) -> Bool {
      eventually { try RawResponse.get(port, "/api/pictures")?.text.contains("\"newest\":\(newest)") == true }
    }
    #expect(shows(1), "\(page.output)")
    try broker.send([.image("2.jpg", [2])])
    #expect(shows(2), "\(page.output)")
    // What a killed consumer leaves is read, too.
    consumer.signal(SIGKILL)
    _ = consumer.exitCode()
    #expect(shows(2), "\(page.output)")
    #expect(page.terminate() == 0, "\(page.output)")
  }

  @Test("an image whose name is a mount point becomes a dead letter") func mountPointNameIsDeadLetter() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    let mounted = try folder.write("mounted", [9])
    let bind = try BindMount(mounted, at: folder.path + "/" + TestFolder.output + "/1.jpg")
    defer { bind.remove() }
    try broker.send([.image("1.jpg", [2]), .image("2.jpg", [3])])
    #expect(try Program.storeAll(in: folder, broker).stored == 1)
    #expect(try kinds(broker) == ["NameRefusal"])
    #expect(folder.bytes("mounted") == [9])
  }

  // MARK: A CSV file that is mounted alone

  /// As in a container with a read-only root, where the file can neither be renamed nor another created next to it.
  @Test("an altered CSV file mounted in a read-only folder is kept in the output") func alteredMountedCSVFileIsKept()
    throws
  {
    let broker = try Broker.preferred()
    let disk = try SmallDisk(at: folder.path + "/root", bytes: 1 << 20)
    defer { disk.remove() }
    try folder.write("root/data.csv", [])
    try disk.makeReadOnly()
    let theirs = "file_path,image_label\nprocessed_images/0.jpg,0.jpg\n"
    let host = try folder.write("host.csv", Array(theirs.utf8))
    let bind = try BindMount(host, at: folder.path + "/root/data.csv")
    defer { bind.remove() }
    try broker.send([.image("1.jpg", [1]), .image("2.jpg", [2])])
    let said = try Program.storeAll(in: folder, broker, ["CSV_PATH": "root/data.csv"]).output
    let reserved = TestFolder.output + "/.image-pipeline"
    let asides = try Folder.open(folder.path + "/" + reserved).names().filter { $0.hasPrefix("data.csv.aside-") }
    try #require(asides.count == 1)
    #expect(folder.text(reserved + "/" + asides[0]) == theirs)
    #expect(said.log.hasEvent("csv_set_aside", ["aside": reserved + "/" + asides[0]]), "\(said)")
    #expect(folder.text("host.csv").split(separator: "\n").count == 3)
    #expect(try Program.storeAll(in: folder, broker, ["CSV_PATH": "root/data.csv"]).stored == 0)
    let repair = try Program(["repair", "--json"], in: folder, environment: ["CSV_PATH": "root/data.csv"])
    #expect(repair.exitCode() == 0 && repair.output.isOfSoundOutput, "\(repair.output)")
  }

  /// Nobody reads a file without a name. The mount keeps the old file until it is mounted again.
  @Test(
    "a mounted CSV file that was deleted on its host is reported until it is mounted again",
    arguments: ["deleted", "replaced"])
  func deletedMountedCSVFileIsReported(how: String) throws {
    let broker = try Broker.preferred()
    let host = try folder.write("host/data.csv", [])
    try folder.write("inside/data.csv", [])
    let bind = try BindMount(host, at: folder.path + "/inside/data.csv")
    defer { bind.remove() }
    let port = try StatusPage.freePort()
    let consumer = try Program(
      ["consumer"], in: folder,
      environment: broker.environment([
        "CSV_PATH": "inside/data.csv", "HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1",
      ]))
    func send(_ number: UInt8) throws { try broker.send([.image("\(number).jpg", [number])]) }
    let page = StatusPage(port: port)
    func said() -> Int { consumer.events("csv_unlinked").count }
    try send(1)
    #expect(eventually { folder.text("host/data.csv").contains("1.jpg") }, "\(consumer.output)")
    #expect(eventually { page.ready?.status == 200 })
    if how == "deleted" {
      try folder.remove("host/data.csv")
    } else {
      try folder.write("host/new.csv", [])
      try folder.move("host/new.csv", to: "host/data.csv")
    }
    try send(2)
    #expect(eventually { said() == 1 }, "\(consumer.output)")
    #expect(consumer.hasEvent("csv_unlinked", naming: "inside/data.csv"), "\(consumer.output)")
    #expect(
      eventually { page.ready?.status == 503 && page.ready?.body.hasPrefix("csv: ") == true },
      "\(page.ready?.body ?? "")")
    try send(3)
    #expect(eventually { folder.text("inside/data.csv").contains("3.jpg") }, "\(consumer.output)")
    #expect(said() == 1)
    #expect(try folder.files(TestFolder.output) == ["1.jpg", "2.jpg", "3.jpg"])
    bind.remove()
    let again = how == "replaced" ? try BindMount(host, at: folder.path + "/inside/data.csv") : nil
    defer { again?.remove() }
    try send(4)
    #expect(eventually { folder.text("inside/data.csv").split(separator: "\n").count == 5 }, "\(consumer.output)")
    #expect(eventually { page.ready?.status == 200 }, "\(page.ready?.body ?? "")")
    #expect(consumer.events("csv_restored", ["file": "inside/data.csv"]).count == 1, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    #expect(try folder.leftovers() == [])
  }
}
