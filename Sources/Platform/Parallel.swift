import Synchronization

/// Runs `body` for 0 to `count - 1` on up to `threads` threads, including the caller's, and returns when all are done.
/// - Throws: the first error. No further call of `body` starts after it.
package func parallel(_ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Void) throws {
  // The threads end before this function returns, which the compiler cannot see.
  try withoutActuallyEscaping(body) { body in
    let work = ParallelWork(count: count, body: body)
    let helpers = (1..<max(1, min(threads, count))).map { number in
      BackgroundThread.start("store-\(number)") { work.run() }
    }
    work.run()
    for helper in helpers { helper.join() }
    if let error = work.error { throw error }
  }
}

private final class ParallelWork: Sendable {
  private let count: Int
  private let body: @Sendable (Int) throws -> Void
  private let next = Atomic<Int>(0)
  private let failure = Mutex<(any Error)?>(nil)

  init(count: Int, body: @escaping @Sendable (Int) throws -> Void) {
    self.count = count
    self.body = body
  }

  var error: (any Error)? { failure.withLock { $0 } }

  func run() {
    while error == nil {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < count else { return }
      do { try body(index) } catch { failure.withLock { $0 = $0 ?? error } }
    }
  }
}
