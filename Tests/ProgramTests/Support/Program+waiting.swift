import TestSupport
import Testing

extension Program {
  /// Expects it to wait for Kafka and to name the fix in its log and at `port`, then ends it.
  func expectWaiting(in folder: TestFolder, port: Int, fix: String) throws {
    let isSaid = eventually { hasEvent("broker_awaited", naming: fix) }
    #expect(isSaid, "\(output)")
    let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(port)"])
    #expect(probe.exitCode() == 1)
    #expect(probe.output.contains("broker: ") && probe.output.contains(fix), "\(probe.output)")
    #expect(terminate() == 0, "\(output)")
  }
}
