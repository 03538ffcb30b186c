import Synchronization

/// For a moment, a process that is being started has all descriptors of this one. Whoever closes a socket and needs its
/// port again at once must do that while no process is started.
package enum Spawning {
  private static let lock = Mutex(())

  /// Starts a process, or does what no start may interrupt.
  package static func alone(_ body: () -> Void) { lock.withLock { _ in body() } }
}
