import Testing

@testable import Platform

/// Gives each test a thread of its own: they spend their time waiting for brokers and processes, for which the shared
/// pool has too few.
struct OwnThread: SuiteTrait, TestTrait, TestScoping {
  let isRecursive = true

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Room.shared.enter()
    defer { Task { await Room.shared.leave() } }
    try await withTaskExecutorPreference(Threads.shared, operation: function)
  }

  /// Each test has a broker and programs of its own: more of them at once than these only time each other out.
  private actor Room {
    static let shared = Room()
    private var free = 6
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
      if free > 0 {
        free -= 1
      } else {
        await withCheckedContinuation { waiting.append($0) }
      }
    }

    func leave() {
      if waiting.isEmpty {
        free += 1
      } else {
        waiting.removeFirst().resume()
      }
    }
  }

  private final class Threads: TaskExecutor {
    static let shared = Threads()

    func enqueue(_ job: consuming ExecutorJob) {
      let job = UnownedJob(job)
      _ = BackgroundThread.start("test") { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
  }
}

extension Trait where Self == OwnThread {
  static var ownThread: Self { OwnThread() }
}
