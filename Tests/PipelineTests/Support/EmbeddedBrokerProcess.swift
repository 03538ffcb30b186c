import Glibc
import Platform
import Testing

/// librdkafka's embedded broker in a process of its own: the clients' deaths are its own affair.
final class EmbeddedBrokerProcess {
  let broker: Broker
  private let program: Program
  /// It ends when this is closed, which the end of this process does as well.
  private let pipe: CInt

  init(in folder: Scratch, partitions: Int) throws {
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

  deinit { close(pipe) }
}
