import Platform
import Synchronization

/// Keeps the addresses of names up to date, on a thread of its own: the C library's resolver may take long, and has no
/// timeout.
final class SideResolver: Sendable {
  private let names: [TCPProbe.Address]
  private let results: Mutex<[TCPProbe.Address: Result<[String], TCPProbe.Unresolved>]>
  /// Set once every name has been looked up.
  let isComplete = StopFlag()

  /// Addresses of one name. Containers of a scaled service have one each.
  private static let mostAddresses = 32

  init(_ names: [TCPProbe.Address]) {
    self.names = names
    results = Mutex([:])
  }

  /// Looks names up until the flag is set. The thread is not joined, since it may wait for the resolver.
  func start(every interval: Duration, until stop: StopFlag) {
    _ = BackgroundThread.start("side-names") { [self] in
      repeat {
        for name in names {
          let result = TCPProbe.resolve(name.host, atMost: Self.mostAddresses)
          results.withLock { $0[name] = result }
        }
        isComplete.set()
      } while !stop.wait(for: interval)
    }
  }

  /// All addresses that are known, each once, and the names that cannot be resolved.
  var now: (sides: [SideAddress], failures: [TCPProbe.Address: String]) {
    let results = results.withLock { $0 }
    var sides: [SideAddress] = []
    var failures: [TCPProbe.Address: String] = [:]
    for name in names {
      switch results[name] {
      case .success(let addresses):
        for address in addresses
        where !sides.contains(where: { $0.address == address && $0.name.port == name.port }) {
          sides.append(SideAddress(name: name, address: address))
        }
      case .failure(let reason): failures[name] = reason.words
      case nil: break
      }
    }
    return (sides, failures)
  }
}
