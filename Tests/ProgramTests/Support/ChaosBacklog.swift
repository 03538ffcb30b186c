import Synchronization

@testable import Platform
@testable import SQLite

/// How many messages the fullest partition holds that are not stored yet, looked at by a thread of its own: the broker
/// may hang.
///
/// The embedded broker keeps 5 MiB a partition and forgets the oldest. The images that are dropped do not bound what waits
/// there, for a killed producer sends again what it had begun.
final class ChaosBacklog {
  private final class State: Sendable {
    let now = Atomic(0)
    let most = Atomic(0)
    let stop = StopFlag()
  }

  /// Of 27 kB at the most each, 2.4 MB. What is in the input folder and not sent comes on top of them, which is as much.
  private static let limit = 90

  private let state = State()
  private let thread: BackgroundThread

  init(in folder: Scratch, _ broker: Broker) {
    let catalog = folder.path + "/\(Scratch.output)/.image-pipeline/catalog.sqlite"
    thread = BackgroundThread.start("backlog") { [state] in
      let topic = try? TopicContent(broker)
      var stored: [Int32: Int64] = [:]
      while !state.stop.wait(milliseconds: 50) {
        guard let ends = try? topic?.ends() else { continue }
        // Seldom: each look makes this process one of those that have the catalog open.
        if Self.longest(ends, stored) > Self.limit / 2 { stored = (try? Self.positions(in: catalog)) ?? stored }
        let now = Self.longest(ends, stored)
        state.now.store(now, ordering: .relaxed)
        state.most.max(now, ordering: .relaxed)
      }
    }
  }

  private static func longest(_ ends: [Int32: Int64], _ stored: [Int32: Int64]) -> Int {
    ends.map { Int($0.value - stored[$0.key, default: 0]) }.max() ?? 0
  }

  private static func positions(in catalog: String) throws -> [Int32: Int64] {
    // Not made by this: SQLite would.
    guard try FileStatus.of(catalog) != nil else { return [:] }
    var positions: [Int32: Int64] = [:]
    try Database(path: catalog, busyTimeoutMilliseconds: 100)
      .prepare("SELECT partition, next FROM positions").each { row in
        positions[Int32(row.integer(0))] = row.integer(1)
        return true
      }
    return positions
  }

  /// Nothing more is to be sent for now.
  var isFull: Bool { state.now.load(ordering: .relaxed) > Self.limit }
  var most: Int { state.most.load(ordering: .relaxed) }

  func end() {
    state.stop.set()
    thread.join()
  }

  deinit { end() }
}
