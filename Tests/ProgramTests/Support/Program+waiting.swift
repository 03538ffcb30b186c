import Testing

extension Program {
  /// It waits for Kafka and says the cure, in its log and at `port`; then it is ended.
  func expectWaiting(in folder: Scratch, port: Int, cure: String) throws {
    let isSaid = eventually {
      output.split(separator: "\n").contains { $0.contains("waiting for Kafka") && $0.contains(cure) }
    }
    #expect(isSaid, "\(output)")
    let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(port)"])
    #expect(probe.exitCode() == 1)
    #expect(probe.output.contains("broker: ") && probe.output.contains(cure), "\(probe.output)")
    #expect(terminate() == 0, "\(output)")
  }
}
