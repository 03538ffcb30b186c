import TestSupport
import Testing

extension Program {
  /// Expects it to wait for Kafka and to name the reason or the fix in its log and at `port`, then ends it.
  /// - Parameters:
  ///   - error: the name of the reason; nil if it depends on librdkafka's version.
  ///   - words: all of them have to be named.
  func expectWaiting(in folder: TestFolder, port: Int, error: String? = nil, naming words: [String]) throws {
    let fields = error.map { ["error": $0] } ?? [:]
    let isSaid = eventually { !log.events("broker_unreachable", fields, naming: words).isEmpty }
    #expect(isSaid, "\(output)")
    let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(port)"])
    #expect(probe.exitCode() == 1)
    #expect((["broker: "] + words).allSatisfy { probe.output.contains($0) }, "\(probe.output)")
    #expect(terminate() == 0, "\(output)")
  }
}
