import Glibc
import Testing

@testable import Platform

/// librdkafka's embedded broker in a process of its own. It cannot be killed, for it has everything in memory, but it can
/// hang: stopped for a while, it leaves the clients with what it has not acknowledged.
final class EmbeddedBrokerProcess {
  let broker: Broker
  private let program: Program
  /// It ends when this is closed, which the end of this process does as well.
  private let pipe: CInt
  private var numbers: ChaosNumbers
  private var hangs = false
  private var next: Int64 = 0
  private(set) var count = 0

  init(in folder: Scratch, seed: UInt64, partitions: Int) throws {
    numbers = ChaosNumbers(seed: seed, "hangs")
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

  /// Lets it hang now and then.
  func step() {
    let now = Clock.monotonicMilliseconds
    guard now >= next else { return }
    if !hangs { count += 1 }
    hangs.toggle()
    program.signal(hangs ? SIGSTOP : SIGCONT)
    next = now + Int64(hangs ? numbers.number(50...600) : numbers.number(200...2_500))
  }

  func spare() { program.signal(SIGCONT) }

  deinit { close(pipe) }
}
