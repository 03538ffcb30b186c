import Platform
import Synchronization
import Telemetry

/// Asks producers which files they cannot send.
final class RefusedImages: Sendable {
  private let producers: @Sendable () -> [SideAddress]
  /// What each producer answered last.
  private let lines = Mutex<[SideAddress: [String]]>([:])

  private static let timeout = Duration.seconds(1)
  private static let largestAnswer = 256 << 10
  private static let mostLines = 200

  /// - Parameter producers: those that answer at the moment.
  init(producers: @escaping @Sendable () -> [SideAddress]) { self.producers = producers }

  /// Lines that should be JSON objects with `image`, `reason` and `time`. Anybody may have written them.
  func ask() -> [String] {
    let sides = producers()
    let answers = HTTPProbe.get(
      sides.map { HTTPProbe.Target(address: $0.address, port: $0.name.port, path: "/refused") }, timeout: Self.timeout,
      atMost: Self.largestAnswer)
    return lines.withLock { lines in
      lines = lines.filter { sides.contains($0.key) }
      for (side, answer) in zip(sides, answers) {
        guard let answer, answer.status == 200 else { continue }
        lines[side] = answer.body.split(separator: "\n").prefix(Self.mostLines).map { String($0) }
      }
      return Array(sides.flatMap { lines[$0] ?? [] }.prefix(Self.mostLines))
    }
  }
}
