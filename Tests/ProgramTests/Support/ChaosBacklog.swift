import Synchronization
import TestSupport

@testable import Platform
@testable import SQLite

/// The number of unstored messages in the fullest partition, checked by a separate thread because the broker may hang.
///
/// The embedded broker keeps 5 MiB per partition and forgets the oldest messages. The dropped images do not bound the
/// backlog, since a killed producer sends again what it had begun.
final class ChaosBacklog {
  private final class State: Sendable {
    let now = Atomic(0)
    let most = Atomic(0)
    let stop = StopFlag()
  }

  /// 2.4 MB of messages of at most 27 kB. As much again may be unsent in the input folder.
  private static let limit = 90

  private let state = State()
  private let thread: BackgroundThread

  init(in folder: TestFolder, _ broker: Broker) {
    let catalog = folder.path + "/\(TestFolder.output)/.image-pipeline/catalog.sqlite"
    thread = BackgroundThread.start("backlog") { [state] in
      let topic = try? TopicContent(broker)
      var stored: [Int32: Int64] = [:]
      while !state.stop.wait(for: .milliseconds(50)) {
        guard let ends = try? topic?.ends() else { continue }
        // Rarely: each check opens the catalog in this process.
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
    // Not created here, as SQLite would.
    guard try FileStatus.of(catalog) != nil else { return [:] }
    var positions: [Int32: Int64] = [:]
    try Database(path: catalog, busyTimeout: .milliseconds(100))
      .prepare("SELECT partition, next FROM positions").each { row in
        positions[Int32(row.integer(0))] = row.integer(1)
        return true
      }
    return positions
  }

  /// Nothing more should be sent for now.
  var isFull: Bool { state.now.load(ordering: .relaxed) > Self.limit }
  var most: Int { state.most.load(ordering: .relaxed) }

  func end() {
    state.stop.set()
    thread.join()
  }

  deinit { end() }
}
