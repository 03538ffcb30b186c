import Glibc
import TestSupport
import Testing

@testable import Platform

/// librdkafka's embedded broker in a separate process. It has everything in memory, so it cannot be killed, but
/// suspended: that leaves the clients with unacknowledged messages.
final class EmbeddedBrokerProcess {
  let broker: Broker
  private let program: Program
  /// The broker exits when this closes, also with the end of this process.
  private let pipe: CInt
  private var numbers: SeededNumbers
  private var hangs = false
  private var next = ContinuousClock.now
  private(set) var count = 0

  init(in folder: TestFolder, seed: UInt64, partitions: Int) throws {
    numbers = SeededNumbers(seed: seed, "hangs")
    var ends: [CInt] = [0, 0]
    guard Glibc.pipe(&ends) == 0 else { throw SystemError("open a pipe for", "EmbeddedBroker") }
    defer { close(ends[0]) }
    pipe = ends[1]
    let topic = "images"
    let program = try Program(
      [topic, "\(partitions)"], in: folder, executable: Program.built("EmbeddedBroker"), input: ends[0])
    try #require(eventually { program.output.contains("\n") }, "\(program.output)")
    self.program = program
    broker = Broker(servers: program.output.split(separator: "\n").first.map { String($0) } ?? "", topic: topic)
  }

  /// Suspends it now and then.
  func step() {
    let now = ContinuousClock.now
    guard now >= next else { return }
    if !hangs { count += 1 }
    hangs.toggle()
    program.signal(hangs ? SIGSTOP : SIGCONT)
    next = now + .milliseconds(hangs ? numbers.number(50...600) : numbers.number(200...2_500))
  }

  func spare() { program.signal(SIGCONT) }

  deinit { close(pipe) }
}
