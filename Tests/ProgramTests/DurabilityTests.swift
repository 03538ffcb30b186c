import Testing

@testable import Platform

/// What a power failure would lose: whether files, names, rows and catalog are synced, and in the order that makes a batch
/// undone or done. Needs strace; a sanitizer's program may not be traced.
@Suite(.ownThread, .enabled("strace is not here or may not be used") { !Sanitizer.isOn && SystemCallTrace.isPermitted })
struct DurabilityTests {
  private let folder = Scratch()

  /// Stores what the topic has, one batch after another, under strace.
  private func store(_ broker: Broker, batch: Int, batchesOverlap: Bool = true) throws -> DiskOrder {
    let arguments = SystemCallTrace.arguments(of: DiskOrder.traced, to: "trace")
    let consumer = try Program(
      arguments + [Program.path, "consumer", "--until-idle", "0.3"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "\(batch)"]), executable: SystemCallTrace.path)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    let order = DiskOrder(
      SystemCallTrace(folder.text("trace")), output: folder.path + "/" + Scratch.output,
      csv: folder.path + "/" + Scratch.csv, batchesOverlap: batchesOverlap)
    print(
      "  \(order.renamed) files renamed in \(order.commits) transactions: \(order.calls.sorted { $0.key < $1.key })")
    return order
  }

  private func expectOrder(_ order: DiskOrder, renamed: Int, atLeast commits: Int) {
    #expect(order.violations == [])
    #expect(order.renamed == renamed)
    #expect(order.commits >= commits)
  }

  /// Few files are synced one by one.
  @Test func aBatchOfFewFilesIsOnTheDiskBeforeTheCatalogSpeaksOfIt() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(24)
    try broker.send(images.map { .image($0.key, $0.value) })
    try expectOrder(store(broker, batch: 8), renamed: 24, atLeast: 3)
    try expectStored(images, in: folder)
  }

  /// Many, by a sync of the whole file system where one does; their folders too, where those are many.
  @Test(arguments: [2, 20])
  func aBatchOfManyFilesIsOnTheDiskBeforeTheCatalogSpeaksOfIt(folders: Int) throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    for number in 0..<120 {
      images["\(number % folders)/deep/\(number).jpg"] = Scratch.bytes(500, seed: UInt64(number))
    }
    try broker.send(images.map { .image($0.key, $0.value) })
    let order = try store(broker, batch: 256)
    expectOrder(order, renamed: 120, atLeast: 1)
    let isWhole = try Folder.open(folder.path).fileSystem.syncsAsAWhole
    #expect((order.calls["syncfs"] != nil) == isWhole)
    try expectStored(images, in: folder)
  }

  /// Written in place, over two transactions, and renamed with the last one.
  @Test func theSegmentsOfAnImageAreOnTheDiskBeforeTheCatalogSpeaksOfThem() throws {
    let broker = try Broker.preferred()
    let image = Scratch.bytes(9_000, seed: 1)
    let segments = TestMessage.segments("cat/large.png", image, size: 1_000)
    for (sent, renamed) in [(segments[..<5], 0), (segments[5...] + [.image("a.jpg", [1])], 2)] {
      try broker.send(Array(sent))
      try expectOrder(store(broker, batch: 256, batchesOverlap: false), renamed: renamed, atLeast: min(1, renamed))
    }
    try expectStored(["cat/large.png": image, "a.jpg": [1]], in: folder)
  }

  @Test func aLetterIsOnTheDiskBeforeTheCatalogIsPastIt() throws {
    let broker = try Broker()
    try broker.send([.text("poison"), .image("a.jpg", [1])])
    // 0 is a message, 10 that it is too large: the letter goes to disk.
    broker.failNextRequests(api: 0, errors: Array(repeating: 10, count: 100))
    try expectOrder(store(broker, batch: 8), renamed: 2, atLeast: 1)
    try expectStored(["a.jpg": [1]], in: folder)
    #expect(try Folder.open(folder.path + "/\(Scratch.output)/.image-pipeline/dead-letters").names().count == 1)
  }

  /// The ledger must know that a file was sent before the file is out of the folder.
  @Test(arguments: ["move", "delete"])
  func noFileIsTakenAwayBeforeTheLedgerIsOnTheDisk(afterSent: String) throws {
    let broker = try Broker.preferred()
    for (name, bytes) in sampleImages(60) { try folder.write("images/" + name, bytes) }
    let producer = try Program(
      SystemCallTrace.arguments(
        of: ["pwrite64", "fdatasync", "fsync", "renameat", "renameat2", "unlinkat"], to: "trace")
        + [Program.path, "producer", "--once"], in: folder, environment: broker.environment(["AFTER_SENT": afterSent]),
      executable: SystemCallTrace.path)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let log = folder.path + "/.image-pipeline/ledger.sqlite-wal"
    var (isSynced, commits) = (true, 0)
    var taken: Set<String> = []
    for event in SystemCallTrace(folder.text("trace")).events {
      switch event {
      case .begun(let call) where call.name == "pwrite64" && call.paths.first == log: isSynced = false
      case .ended(let call) where call.name.hasSuffix("sync") && call.paths.first == log:
        (isSynced, commits) = (true, commits + 1)
      case .begun(let call) where call.paths.contains { $0.hasSuffix(".jpg") }:
        taken.formUnion(call.paths.filter { $0.hasSuffix(".jpg") })
        #expect(isSynced && commits > 0, "\(call.paths)")
      default: break
      }
    }
    #expect(taken.count == 60)
  }
}
