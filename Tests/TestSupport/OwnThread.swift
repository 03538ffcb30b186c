internal import Platform
package import Testing

/// Runs each test on a thread of its own: tests that wait for brokers and processes would block the shared pool.
package struct OwnThread: SuiteTrait, TestTrait, TestScoping {
  package let isRecursive = true
  private let room: Room?

  /// - Parameter room: bounds how many of these tests run at once; nil: no bound.
  package init(_ room: Room? = nil) { self.room = room }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await room?.enter()
    defer { if let room { Task { await room.leave() } } }
    try await withTaskExecutorPreference(Threads.shared, operation: function)
  }

  package actor Room {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    package init(_ size: Int) { free = size }

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
