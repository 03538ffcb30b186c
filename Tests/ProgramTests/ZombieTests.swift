import Glibc
import TestSupport
import Testing

@testable import Platform

/// A consumer that is suspended for longer than its session and then resumes.
@Suite(.ownThread) struct ZombieTests {
  private let folder = TestFolder()

  /// Two consumers with one message per batch, each suspended at its first visit to the point. The one with the only
  /// partition stops with this message: the sleeper.
  private func pair(_ broker: Broker, _ message: TestMessage, at point: FaultPoint) throws -> (Program, Program) {
    let environment = broker.environment(
      ["BATCH_IMAGES": "1", "FAULT_POINT": "\(point.rawValue):1:stop"].merging(Broker.shortPollInterval) { $1 })
    let pair = try (0..<2).map { _ in
      let consumer = try Program(["consumer"], in: folder, environment: environment)
      #expect(eventually { consumer.assignments > 0 }, "\(consumer.output)")
      return consumer
    }
    try broker.send([message])
    #expect(eventually { pair.contains { $0.isSuspended } }, "\(pair.map(\.output))")
    return pair[0].isSuspended ? (pair[0], pair[1]) : (pair[1], pair[0])
  }

  private func end(_ consumers: [Program]) {
    for consumer in consumers { consumer.signal(SIGTERM) }
    for consumer in consumers { #expect(consumer.exitCode(within: .seconds(20)) == 0, "\(consumer.output)") }
  }

  @Test("a consumer suspended before the lock does not replace a newer version") func zombieReplacesNoNewerVersion()
    throws
  {
    let broker = try Broker.preferred()
    let (old, new) = (SeededNumbers.bytes(900, seed: 1), SeededNumbers.bytes(800, seed: 2))
    let (sleeper, other) = try pair(broker, .image("a.jpg", old), at: .temporariesSynced)
    try broker.send([.image("a.jpg", new), .image("b.jpg", old)])
    let isFurther = eventually {
      other.goOn()
      return folder.rowNames == ["a.jpg", "a.jpg", "b.jpg"]
    }
    #expect(isFurther, "\(other.output)")
    sleeper.signal(SIGCONT)
    #expect(eventually { sleeper.hasHadItsSay }, "\(sleeper.output)")
    try broker.send([.image("c.jpg", new)])
    #expect(eventually { folder.rowNames.last == "c.jpg" }, "\(folder.rowNames)")
    end([sleeper, other])
    #expect(folder.bytes(TestFolder.output + "/a.jpg") == new)
    #expect(folder.rowNames == ["a.jpg", "a.jpg", "b.jpg", "c.jpg"])
    #expect(try folder.leftovers() == [])
  }

  @Test(
    "a consumer waits for a suspended lock holder without leaving its group",
    arguments: [FaultPoint.lockTaken, .imageRenamed, .rowsSynced, .positionsRecorded])
  func lockHolderIsAwaited(point: FaultPoint) throws {
    let broker = try Broker.preferred()
    // The CSV header is written at the start, so that the rows' fault point is first visited with an image.
    try broker.send([.image("first.jpg", [0])])
    _ = try Program.storeAll(in: folder, broker)
    let (sleeper, other) = try pair(broker, .image("a.jpg", [1]), at: point)
    try broker.send([.image("a.jpg", [2]), .image("b.jpg", [3])])
    let before = folder.text(TestFolder.csv)
    #expect(eventually { other.hasPartition }, "\(other.output)")
    expectKeptWaiting(other) { folder.text(TestFolder.csv) == before }
    sleeper.signal(SIGCONT)
    let isDone = eventually {
      other.goOn()
      return folder.rows.count >= 4
    }
    #expect(isDone, "\(sleeper.output) \(other.output)")
    #expect(eventually { sleeper.hasHadItsSay }, "\(sleeper.output)")
    end([sleeper, other])
    #expect(!other.wasExpelled, "\(other.output)")
    #expect(folder.rowNames == ["first.jpg", "a.jpg", "a.jpg", "b.jpg"])
    #expect(folder.bytes(TestFolder.output + "/a.jpg") == [2])
    #expect(try folder.leftovers() == [])
  }

  @Test("a consumer killed while it holds the lock blocks nobody") func killedLockHolderBlocksNobody() throws {
    let broker = try Broker.preferred()
    let (sleeper, other) = try pair(broker, .image("a.jpg", [1]), at: .imageRenamed)
    try broker.send([.image("a.jpg", [2])])
    #expect(eventually { other.hasPartition }, "\(other.output)")
    #expect(folder.rows == [])
    sleeper.signal(SIGKILL)
    let isDone = eventually {
      other.goOn()
      return folder.rowNames == ["a.jpg", "a.jpg"]
    }
    #expect(isDone, "\(other.output)")
    end([other])
    #expect(folder.bytes(TestFolder.output + "/a.jpg") == [2])
    // The next consumer in the killed one's slot removes its files.
    _ = try Program.storeAll(in: folder, broker)
    #expect(try folder.leftovers() == [])
  }

  @Test("a consumer that starts while the lock is held logs it and exits when told to") func waitForLockCanBeStopped()
    throws
  {
    let broker = try Broker.preferred()
    let (sleeper, other) = try pair(broker, .image("a.jpg", [1]), at: .imageRenamed)
    let third = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { third.hasEvent("catalog_locked") }, "\(third.output)")
    end([third])
    sleeper.signal(SIGCONT)
    #expect(eventually { folder.rowNames == ["a.jpg"] })
    end([sleeper, other])
    #expect(folder.rowNames == ["a.jpg"])
  }
}

extension Program {
  fileprivate func goOn() { if isSuspended { signal(SIGCONT) } }

  /// Whether it has noticed that another one overtook it, or has rejoined the group.
  fileprivate var hasHadItsSay: Bool {
    hasEvent("batch_fenced") || hasEvent("partitions_revoked")
  }
}
