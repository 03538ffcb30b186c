import Glibc
import TestSupport
import Testing

@testable import Platform
@testable import SQLite

/// A ledger that is lost, removed or damaged.
@Suite(.ownThread) struct LedgerFaultTests {
  private let folder = TestFolder()
  private let ledger = ".image-pipeline/ledger.sqlite"

  @Test("a producer without its ledger sends everything again, and nothing is stored twice")
  func lostLedgerDuplicatesNothing() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = try folder.writeImages(30)
    #expect(try Program.sendAll(in: folder, broker).sent == 30)
    _ = try Program.storeAll(in: folder, broker)
    let before = folder.text(TestFolder.csv)
    try folder.remove(".image-pipeline")
    #expect(try Program.sendAll(in: folder, broker).sent == 30)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    #expect(folder.text(TestFolder.csv) == before)
    try expectStored(images, in: folder)
  }

  /// Removed or replaced by hand or with a volume. Nobody would find what is written to it after that.
  @Test(
    "a ledger that is removed while in use ends the producer",
    arguments: [[".image-pipeline"], [".image-pipeline/ledger.sqlite"]], [false, true])
  func removedLedgerEndsProducer(removed: [String], isBusy: Bool) throws {
    let broker = try Broker.preferred()
    var images = try folder.writeImages(10)
    let topic = try TopicContent(broker)
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["LOG_LEVEL": "debug"]))
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.hasEvent("image_sent", ["image": "ready.jpg"]) }, "\(producer.output)")
    for name in removed { try folder.remove(name) }
    if isBusy {
      images["new.jpg"] = [9]
      try folder.write("images/new.jpg", [9])
    }
    #expect(producer.exitCode(within: .seconds(30)) == 1, "\(producer.output)")
    #expect(producer.hasEvent("program_failed", ["error": "LedgerError.gone"]), "\(producer.output)")
    images["ready.jpg"] = [1]
    #expect(try Program.sendAll(in: folder, broker).sent == images.count)
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
  }

  private func damageLedger() throws {
    for suffix in ["", "-wal"] {
      guard let file = try? File.open(folder.path + "/" + ledger + suffix, .readWrite) else { continue }
      try [UInt8](repeating: 0x5A, count: file.status().size).withUnsafeBytes { try file.write($0, at: 0) }
    }
  }

  @Test("a damaged ledger is reported with a fix that works") func damagedLedgerIsReported() throws {
    let broker = try Broker.preferred()
    let images = try folder.writeImages(10)
    #expect(try Program.sendAll(in: folder, broker).sent == 10)
    _ = try Program.storeAll(in: folder, broker)
    try damageLedger()
    for _ in 1...2 {
      let refused = try Program.sendAll(in: folder, broker)
      #expect(refused.exitCode() == 1)
      #expect(refused.hasEvent("program_failed", ["error": "LedgerError.damaged"], naming: ledger), "\(refused.output)")
    }
    for suffix in ["", "-wal", "-shm"] { try folder.remove(ledger + suffix) }
    #expect(try Program.sendAll(in: folder, broker).sent == 10)
    #expect(try Program.storeAll(in: folder, broker).stored == 0)
    try expectStored(images, in: folder)
  }

  @Test("a ledger that is damaged while in use ends the producer") func ledgerDamagedInUseEndsProducer() throws {
    let broker = try Broker.preferred()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(producer.startsWatching(folder, topic), "\(producer.output)")
    let other = try Database(path: folder.path + "/" + ledger, busyTimeout: .seconds(1))
    // A change by another connection makes the producer read its memory again.
    try other.execute("BEGIN IMMEDIATE; UPDATE scopes SET cluster = cluster")
    try damageLedger()
    try other.commit()
    try folder.write("images/1.jpg", [1])
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.hasEvent("program_failed", ["error": "LedgerError.damaged"], naming: ledger), "\(producer.output)")
  }
}
