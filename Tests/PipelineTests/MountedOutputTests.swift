import Glibc
import Kafka
import Platform
import Testing

/// An output in which something is mounted, as only root can do it.
@Suite(.ownThread, .enabled("mounting is not permitted") { SmallDisk.isPermitted }) struct MountedOutputTests {
  private let folder = Scratch()

  private func kinds(_ broker: Broker) throws -> [String] {
    try broker.deadLetters().map { $0.header("__connect.errors.exception.class.name") ?? "" }
  }

  /// No file can be renamed there: what is tried again and again would stop all that comes behind it.
  @Test(arguments: ["disk", "read-only disk", "folder", "read-only folder"])
  func namesBelowAMountPointAreDeadLettersAndTheRestIsStored(kind: String) throws {
    let broker = try Broker.preferred()
    try broker.send([.image("cat/first.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    let place = folder.path + "/" + Scratch.output + "/cat"
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
    let large = TestMessage.segments("cat/large.png", Scratch.bytes(2_500, seed: 1), size: 1_000)
    try broker.send(
      [.image("cat/1.jpg", [2])] + large + [.image("cat/deep/2.jpg", [3]), .image("good.jpg", [4])])
    #expect(try Program.storeAll(in: folder, broker).contains("stored 1 image,"))
    #expect(try kinds(broker) == Array(repeating: "NameRefusal", count: 5))
    let reason = try broker.deadLetters().first?.header("__connect.errors.exception.message") ?? ""
    #expect(reason.contains("a mount point"), "\(reason)")
    #expect(folder.rowNames == ["cat/first.jpg", "good.jpg"])
    #expect(folder.read(Scratch.output + "/good.jpg") == [4])
    #expect(try folder.leftovers() == [])
    // Sent back once the cause is cured, they are stored.
    disk?.remove()
    bind?.remove()
    let replay = try Program(["dead-letters", "--replay"], in: folder, environment: broker.environment())
    #expect(replay.exitCode() == 0, "\(replay.output)")
    #expect(try Program.storeAll(in: folder, broker).contains("stored 3 images"))
  }

  @Test func aNameThatIsAMountPointIsADeadLetter() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    _ = try Program.storeAll(in: folder, broker)
    let mounted = try folder.write("mounted", [9])
    let bind = try BindMount(mounted, at: folder.path + "/" + Scratch.output + "/1.jpg")
    defer { bind.remove() }
    try broker.send([.image("1.jpg", [2]), .image("2.jpg", [3])])
    #expect(try Program.storeAll(in: folder, broker).contains("stored 1 image,"))
    #expect(try kinds(broker) == ["NameRefusal"])
    #expect(folder.read("mounted") == [9])
  }
}
