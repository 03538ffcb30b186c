import Synchronization
import TestSupport
import Testing

@testable import Platform

@Suite struct GroupSyncTests {
  private final class Disk: Sendable {
    let syncs = Atomic<Int>(0)
    let mayEnd = StopFlag()
    private let failing: Int?

    /// - Parameter failing: the number of the sync that fails, from 1.
    init(failing: Int? = nil) { self.failing = failing }

    var count: Int { syncs.load(ordering: .sequentiallyConsistent) }

    func sync() throws {
      let number = syncs.add(1, ordering: .sequentiallyConsistent).newValue
      #expect(mayEnd.wait(for: .seconds(30)))
      if number == failing { throw Lost() }
    }
  }

  private struct Lost: Error {}

  @Test("callers that arrive during a sync share a later one") func callersShareSync() throws {
    let disk = Disk()
    let group = GroupSync { try disk.sync() }
    let first = BackgroundTask { try group.sync(since: group.mark()) }
    #expect(eventually { disk.count == 1 })
    let flags = (0..<40).map { _ in StopFlag() }
    let others = flags.map { flag in
      BackgroundTask {
        let mark = group.mark()
        flag.set()
        try group.sync(since: mark)
      }
    }
    #expect(eventually { flags.allSatisfy(\.isSet) })
    #expect(!others.contains { $0.isReady }, "the sync that runs may have begun before their writes")
    disk.mayEnd.set()
    try first.finish()
    for other in others { try other.finish() }
    #expect((2..<10).contains(disk.count), "\(disk.count) syncs for 41 callers")
  }

  @Test("a failed sync fails everyone who had begun to write before it") func failureConcernsEarlierWriters() throws {
    let disk = Disk(failing: 1)
    disk.mayEnd.set()
    let group = GroupSync { try disk.sync() }
    let (first, second) = (group.mark(), group.mark())
    #expect(throws: Lost.self) { try group.sync(since: first) }
    // The kernel would report nothing to this one.
    #expect(throws: Lost.self) { try group.sync(since: second) }
    try group.sync(since: group.mark())
    #expect(disk.count == 3)
  }
}
