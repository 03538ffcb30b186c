import Synchronization

/// Starts processes one at a time. A new process shares all descriptors of this one until it runs its program. Code that
/// closes a socket and binds the same port again must run while no process is being started.
package enum Spawning {
  private static let lock = Mutex(())

  /// Starts a process, or does what no start may interrupt.
  package static func alone(_ body: () -> Void) { lock.withLock { _ in body() } }
}
