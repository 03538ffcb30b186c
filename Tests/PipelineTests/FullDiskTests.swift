import Glibc
import Platform
import Testing

/// On a small disk of its own, which only root can mount.
@Suite(.ownThread, .enabled("mounting a small disk is not permitted") { SmallDisk.isPermitted }) struct FullDiskTests {
  private let folder = Scratch()

  @Test(arguments: [1, 7, 256])
  func aFullDiskIsSaidAndWaitedForAndNothingIsLost(batch: Int) throws {
    let disk = try SmallDisk(at: folder.path + "/disk", bytes: 3 << 20)
    defer { disk.remove() }
    let broker = try Broker.preferred()
    var images = sampleImages(40, bytes: 20_000)
    var messages = images.sorted { $0.key < $1.key }.map { TestMessage.image($0.key, $0.value) }
    images["large.png"] = Scratch.bytes(200_000, seed: 77)
    messages.insert(contentsOf: TestMessage.segments("large.png", images["large.png"]!, size: 50_000), at: 20)
    try folder.write("disk/ballast", [UInt8](repeating: 1, count: 2_300_000))
    let environment = broker.environment([
      "PROCESSED_IMAGES_DIR": "disk/out", "CSV_PATH": "disk/data.csv", "BATCH_IMAGES": "\(batch)",
    ])
    try broker.send(messages)
    let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
    #expect(eventually { consumer.output.contains("no space left on device") }, "\(consumer.output)")
    #expect(consumer.exitCode(withinSeconds: 0) == nil)
    try folder.remove("disk/ballast")
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(consumer.output.contains("stored 41 images"), "\(consumer.output)")
    #expect(try folder.files("disk/out") == images.keys.sorted())
    expectBytes(images, in: folder, "disk/out")
    let rows = folder.text("disk/data.csv").split(separator: "\n").dropFirst()
    #expect(Set(rows.map { $0.split(separator: ",")[0] }).count == images.count)
    #expect(rows.count == images.count)
    #expect(try folder.leftovers() == [])
  }
}

/// A file system in memory, unmounted with the test.
private final class SmallDisk {
  private let path: String
  private let scratch = Scratch()
  private var isMounted = true

  static let isPermitted: Bool = {
    let folder = Scratch()
    guard let disk = try? SmallDisk(at: folder.path + "/try", bytes: 1 << 20) else {
      print("The tests of a full disk are skipped: mounting one is not permitted")
      return false
    }
    disk.remove()
    return true
  }()

  struct NotMounted: Error { let reason: String }

  init(at path: String, bytes: Int) throws {
    self.path = path
    _ = try Folder.create(path)
    let mount = try Program(
      ["-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", path], in: scratch, executable: "/bin/mount")
    guard geteuid() == 0, mount.exitCode() == 0 else {
      isMounted = false
      throw NotMounted(reason: mount.output)
    }
  }

  func remove() {
    guard isMounted else { return }
    isMounted = false
    // Lazily: a consumer of a test that failed may still have files open there.
    _ = try? Program(["-l", path], in: scratch, executable: "/bin/umount").exitCode()
  }

  deinit { remove() }
}
