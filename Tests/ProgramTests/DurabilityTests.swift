import TestSupport
import Testing

@testable import Platform

/// Resistance to power failure: files, names, rows and catalog are synced in an order that leaves a batch either undone
/// or done. Needs strace, which cannot trace a sanitizer's program.
@Suite(.ownThread, .enabled("strace is not here or may not be used") { !Sanitizer.isOn && SystemCallTrace.isPermitted })
struct DurabilityTests {
  private let folder = TestFolder()

  /// Stores the topic's messages, one batch after another, under strace.
  private func store(_ broker: Broker, batch: Int, batchesOverlap: Bool = true) throws -> DiskOrder {
    let arguments = SystemCallTrace.arguments(of: DiskOrder.traced, to: "trace")
    let consumer = try Program(
      arguments + [Program.path, "consumer", "--until-idle", "0.3"], in: folder,
      environment: broker.environment(["BATCH_IMAGES": "\(batch)"]), executable: SystemCallTrace.path)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    let order = DiskOrder(
      SystemCallTrace(folder.text("trace")), output: folder.path + "/" + TestFolder.output,
      csv: folder.path + "/" + TestFolder.csv, batchesOverlap: batchesOverlap)
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
  @Test("a batch of few files is synced before the catalog commits it") func smallBatchIsSyncedBeforeCommit() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(24)
    try broker.send(images.map { .image($0.key, $0.value) })
    try expectOrder(store(broker, batch: 8), renamed: 24, atLeast: 3)
    try expectStored(images, in: folder)
  }

  /// Many files are synced by one sync of the whole file system; their folders too, if there are many.
  @Test("a batch of many files is synced before the catalog commits it", arguments: [2, 20])
  func largeBatchIsSyncedBeforeCommit(folders: Int) throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    for number in 0..<120 {
      images["\(number % folders)/deep/\(number).jpg"] = SeededNumbers.bytes(500, seed: UInt64(number))
    }
    try broker.send(images.map { .image($0.key, $0.value) })
    let order = try store(broker, batch: 256)
    expectOrder(order, renamed: 120, atLeast: 1)
    let isWhole = try Folder.open(folder.path).fileSystem.syncsAsAWhole
    #expect((order.calls["syncfs"] != nil) == isWhole)
    try expectStored(images, in: folder)
  }

  /// Segments are written in place over two transactions and renamed in the last.
  @Test("an image's segments are synced before the catalog commits them") func segmentsAreSyncedBeforeCommit() throws {
    let broker = try Broker.preferred()
    let image = SeededNumbers.bytes(9_000, seed: 1)
    let segments = TestMessage.segments("cat/large.png", image, size: 1_000)
    for (sent, renamed) in [(segments[..<5], 0), (segments[5...] + [.image("a.jpg", [1])], 2)] {
      try broker.send(Array(sent))
      try expectOrder(store(broker, batch: 256, batchesOverlap: false), renamed: renamed, atLeast: min(1, renamed))
    }
    try expectStored(["cat/large.png": image, "a.jpg": [1]], in: folder)
  }

  @Test("a dead letter on disk is synced before the catalog passes its offset") func letterIsSyncedBeforeCommit() throws
  {
    let broker = try Broker()
    try broker.send([.text("poison"), .image("a.jpg", [1])])
    // API 0 is Produce, error 10 MESSAGE_TOO_LARGE, so the letter goes to disk.
    broker.failNextRequests(api: 0, errors: Array(repeating: 10, count: 100))
    try expectOrder(store(broker, batch: 8), renamed: 2, atLeast: 1)
    try expectStored(["a.jpg": [1]], in: folder)
    #expect(try Folder.open(folder.path + "/\(TestFolder.output)/.image-pipeline/dead-letters").names().count == 1)
  }

  /// The ledger must record a file as sent before the file leaves the folder.
  @Test("the ledger is synced before a sent file is moved or deleted", arguments: ["move", "delete"])
  func ledgerIsSyncedBeforeRemoval(afterSent: String) throws {
    let broker = try Broker.preferred()
    for (name, bytes) in sampleImages(60) { try folder.write("images/" + name, bytes) }
    let producer = try Program(
      SystemCallTrace.arguments(
        of: ["pwrite64", "fdatasync", "fsync", "renameat", "renameat2", "unlinkat"], to: "trace")
        + [Program.path, "producer", "--once"], in: folder,
      environment: broker.environment(["AFTER_SENT": afterSent, "RECEIPTS_NEEDED": "0"]),
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
