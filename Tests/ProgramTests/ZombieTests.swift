import Glibc
import TestSupport
import Testing

@testable import Platform

/// A consumer that stands still for longer than its group waits, and then goes on as if nothing had happened.
@Suite(.ownThread) struct ZombieTests {
  private let folder = Scratch()

  /// Two consumers of one message a batch, of which either stands still at the point the first time that it is there.
  /// The one with the only partition does so in the midst of this message: the sleeper.
  private func pair(_ broker: Broker, _ message: TestMessage, at point: FaultPoint) throws -> (Program, Program) {
    let environment = broker.environment(
      ["BATCH_IMAGES": "1", "FAULT_POINT": "\(point.rawValue):1:stop"].merging(Broker.shortPollInterval) { $1 })
    let pair = try (0..<2).map { _ in
      let consumer = try Program(["consumer"], in: folder, environment: environment)
      #expect(eventually { consumer.assignments > 0 }, "\(consumer.output)")
      return consumer
    }
    try broker.send([message])
    #expect(eventually { pair.contains { $0.isStopped } }, "\(pair.map(\.output))")
    return pair[0].isStopped ? (pair[0], pair[1]) : (pair[1], pair[0])
  }

  private func end(_ consumers: [Program]) {
    for consumer in consumers { consumer.signal(SIGTERM) }
    for consumer in consumers { #expect(consumer.exitCode(withinSeconds: 20) == 0, "\(consumer.output)") }
  }

  @Test func whoStandsStillBeforeTheLockDoesNotPutAnOldVersionInThePlaceOfANewerOne() throws {
    let broker = try Broker.preferred()
    let (old, new) = (Scratch.bytes(900, seed: 1), Scratch.bytes(800, seed: 2))
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
    #expect(folder.read(Scratch.output + "/a.jpg") == new)
    #expect(folder.rowNames == ["a.jpg", "a.jpg", "b.jpg", "c.jpg"])
    #expect(try folder.leftovers() == [])
  }

  @Test(arguments: [FaultPoint.lockTaken, .imageRenamed, .rowsSynced, .positionsRecorded])
  func whoHoldsTheLockIsWaitedForWithoutLeavingTheGroup(point: FaultPoint) throws {
    let broker = try Broker.preferred()
    // The header of the CSV file is written at the start: so its rows are visited for the first time with an image.
    try broker.send([.image("first.jpg", [0])])
    _ = try Program.storeAll(in: folder, broker)
    let (sleeper, other) = try pair(broker, .image("a.jpg", [1]), at: point)
    try broker.send([.image("a.jpg", [2]), .image("b.jpg", [3])])
    let before = folder.text(Scratch.csv)
    #expect(eventually { other.hasPartition }, "\(other.output)")
    expectKeptWaiting(other) { folder.text(Scratch.csv) == before }
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
    #expect(folder.read(Scratch.output + "/a.jpg") == [2])
    #expect(try folder.leftovers() == [])
  }

  @Test func whoIsKilledWhileItHoldsTheLockHoldsNobodyUp() throws {
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
    #expect(folder.read(Scratch.output + "/a.jpg") == [2])
    // What lay in the killed one's slot goes with the next consumer that takes it.
    _ = try Program.storeAll(in: folder, broker)
    #expect(try folder.leftovers() == [])
  }

  @Test func aConsumerThatStartsWhileTheLockIsHeldSaysSoAndEndsWhenItIsTold() throws {
    let broker = try Broker.preferred()
    let (sleeper, other) = try pair(broker, .image("a.jpg", [1]), at: .imageRenamed)
    let third = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { third.output.contains("another consumer holds the catalog") }, "\(third.output)")
    end([third])
    sleeper.signal(SIGCONT)
    #expect(eventually { folder.rowNames == ["a.jpg"] })
    end([sleeper, other])
    #expect(folder.rowNames == ["a.jpg"])
  }
}

extension Program {
  /// Stopped by a signal.
  fileprivate var isStopped: Bool {
    lines(of: "stat").first?.split(separator: ")").last?.hasPrefix(" T") == true
  }

  fileprivate func goOn() { if isStopped { signal(SIGCONT) } }

  /// It has found that another one went on where it was, or has been in the group again.
  fileprivate var hasHadItsSay: Bool {
    output.contains("another consumer has stored") || output.contains("partitions revoked")
  }
}
