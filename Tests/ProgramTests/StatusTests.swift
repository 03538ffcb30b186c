import Glibc
import TestSupport
import Testing

@testable import SQLite
@testable import Telemetry

@Suite(.ownThread) struct StatusTests {
  private let folder = Scratch()

  /// A port that nobody has at the moment.
  static func freePort() throws -> Int {
    let server = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { server.stop() }
    return server.port
  }

  private func get(_ port: Int, _ path: String) -> HTTPProbe.Answer? {
    HTTPProbe.get(port: port, path: path, seconds: 5)
  }

  /// The value of a series; nil where there is none.
  private func value(_ series: String, at port: Int) -> Double? {
    let lines = get(port, "/metrics")?.body.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.utf8.count + 1)) }
  }

  @Test func bothSidesTellHowTheyAreAndWhatTheyHaveDone() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = sampleImages(30)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let ports = [try Self.freePort(), try Self.freePort()]
    let programs = try zip(["producer", "consumer"], ports).map { side, port in
      try Program(
        [side], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    }
    #expect(eventually { value("image_pipeline_images_sent_total", at: ports[0]) == 30 }, "\(programs[0].output)")
    #expect(eventually { value("image_pipeline_images_stored_total", at: ports[1]) == 30 }, "\(programs[1].output)")
    let bytes = Double(images.values.reduce(0) { $0 + $1.count })
    #expect(value("image_pipeline_sent_bytes_total", at: ports[0]) == bytes)
    #expect(value("image_pipeline_stored_bytes_total", at: ports[1]) == bytes)
    #expect(value("image_pipeline_send_seconds_count", at: ports[0]) == 30)
    #expect(value("image_pipeline_end_to_end_seconds_count", at: ports[1]) == 30)
    #expect(try #require(value("image_pipeline_batch_seconds_count", at: ports[1])) >= 1)
    #expect(eventually { value("image_pipeline_lag_messages", at: ports[1]) == 0 })
    #expect(value("image_pipeline_failures_total{reason=\"dead_letter\"}", at: ports[1]) == 0)
    try broker.send([.text("poison")])
    #expect(eventually { value("image_pipeline_failures_total{reason=\"dead_letter\"}", at: ports[1]) == 1 })
    #expect(try #require(value("image_pipeline_disk_free_bytes{role=\"output\"}", at: ports[1])) > 0)
    #expect(try #require(value("process_resident_memory_bytes", at: ports[0])) > 1_000_000)
    for port in ports {
      #expect(get(port, "/healthz")?.status == 200)
      #expect(get(port, "/readyz")?.body == "ok\n")
      let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(port)"])
      #expect(probe.exitCode() == 0, "\(probe.output)")
      #expect(probe.output == "ok\n")
    }
    for program in programs { #expect(program.terminate() == 0, "\(program.output)") }
    let probe = try Program(["health"], in: folder, environment: ["HTTP_PORT": "\(ports[0])"])
    #expect(probe.exitCode() == 1)
    #expect(probe.output.contains("nobody answers"))
  }

  @Test func howFarAConsumerIsBehindIsToldWhileItNeverCatchesUp() throws {
    let broker = try Broker.preferred()
    let port = try Self.freePort()
    let consumer = try Program(
      ["consumer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(eventually { consumer.output.contains("partitions assigned") }, "\(consumer.output)")
    let catalog = try Database(
      path: folder.path + "/" + Scratch.output + "/.image-pipeline/catalog.sqlite", busyTimeoutMilliseconds: 1_000)
    #expect(eventually { try catalog.tryBegin() })
    let images = sampleImages(30)
    try broker.send(images.map { .image($0.key, $0.value) })
    #expect(eventually { value("image_pipeline_lag_messages", at: port) == 30 }, "\(consumer.output)")
    catalog.rollback()
    #expect(eventually { value("image_pipeline_lag_messages", at: port) == 0 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(images, in: folder)
  }

  @Test(arguments: ["producer", "consumer"])
  func aMissingBrokerMakesASideAliveAndNotReady(side: String) throws {
    try folder.makeFolder("images")
    let port = try Self.freePort()
    let program = try Program(
      [side], in: folder,
      environment: ["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    #expect(eventually { get(port, "/readyz")?.body.hasPrefix("broker: ") == true }, "\(program.output)")
    #expect(get(port, "/readyz")?.status == 503)
    #expect(get(port, "/healthz")?.status == 200)
    #expect(program.terminate() == 0, "\(program.output)")
  }

  @Test func aBrokerThatGoesAwayMakesAProducerNotReadyUntilItIsBack() throws {
    let broker = try Broker()
    try folder.makeFolder("images")
    let port = try Self.freePort()
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(eventually { get(port, "/readyz")?.status == 200 }, "\(producer.output)")
    broker.setDown(true)
    try folder.write("images/a.jpg", [1])
    #expect(eventually { get(port, "/readyz")?.body.contains("acknowledgements: none") == true }, "\(producer.output)")
    #expect(get(port, "/healthz")?.status == 200)
    broker.setDown(false)
    #expect(eventually { get(port, "/readyz")?.status == 200 }, "\(producer.output)")
    #expect(producer.terminate() == 0)
  }

  @Test func aPortThatIsInUseIsAWarningAndTheImagesGoOn() throws {
    let taken = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { taken.stop() }
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let producer = try Program(
      ["producer", "--once"], in: folder,
      environment: broker.environment(["HTTP_PORT": "\(taken.port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(producer.exitCode() == 0, "\(producer.output)")
    #expect(producer.output.contains("another program has this port"), "\(producer.output)")
    #expect(producer.output.contains("sent 1 image"), "\(producer.output)")
  }

  @Test func healthWithoutAPortSaysWhatIsMissing() throws {
    let probe = try Program(["health"], in: folder)
    #expect(probe.exitCode() == 2)
    #expect(probe.output.contains("HTTP_PORT"))
  }
}
