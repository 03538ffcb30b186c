import Glibc
import TestSupport
import Testing

@testable import SQLite
@testable import Telemetry

@Suite(.ownThread) struct StatusTests {
  private let folder = TestFolder()

  @Test("both sides serve health and metrics") func statusAndMetricsAreServed() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = sampleImages(30)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let ports = [try StatusPage.freePort(), try StatusPage.freePort()]
    let pages = ports.map { StatusPage(port: $0) }
    let programs = try zip(["producer", "consumer"], ports).map { side, port in
      try Program(
        [side], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    }
    #expect(
      eventually { pages[0].value("image_pipeline_images_sent_total") == 30 }, "\(programs[0].output)"
    )
    #expect(
      eventually { pages[1].value("image_pipeline_images_stored_total") == 30 },
      "\(programs[1].output)")
    for (host, status) in [("127.0.0.1:1", 200), ("localhost", 200), ("[::1]", 200), ("evil.example", 404)] {
      #expect(try RawResponse.get(ports[0], "/refused", host: host)?.status == status)
    }
    for (program, port) in zip(programs, ports) {
      #expect(program.hasEvent("http_started", ["address": "127.0.0.1", "port": "\(port)"]), "\(program.output)")
    }
    let started = ["topic": broker.topic, "output": TestFolder.output, "csv": TestFolder.csv, "slot": "1"]
    #expect(programs[1].hasEvent("consumer_started", started), "\(programs[1].output)")
    let bytes = Double(images.values.reduce(0) { $0 + $1.count })
    #expect(pages[0].value("image_pipeline_sent_bytes_total") == bytes)
    #expect(pages[1].value("image_pipeline_stored_bytes_total") == bytes)
    #expect(pages[0].value("image_pipeline_send_seconds_count") == 30)
    #expect(pages[1].value("image_pipeline_end_to_end_seconds_count") == 30)
    #expect(try #require(pages[1].value("image_pipeline_batch_seconds_count")) >= 1)
    #expect(eventually { pages[1].value("image_pipeline_lag_messages") == 0 })
    #expect(pages[1].value("image_pipeline_failures_total{reason=\"dead_letter\"}") == 0)
    try broker.send([.text("poison")])
    #expect(
      eventually { pages[1].value("image_pipeline_failures_total{reason=\"dead_letter\"}") == 1 })
    #expect(try #require(pages[1].value("image_pipeline_disk_free_bytes{role=\"output\"}")) > 0)
    #expect(try #require(pages[0].value("process_resident_memory_bytes")) > 1_000_000)
    for page in pages {
      #expect(page.live?.status == 200)
      #expect(page.ready?.body == "ok\n")
      let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(page.port)"])
      #expect(probe.exitCode() == 0, "\(probe.output)")
      #expect(probe.output == "ok\n")
    }
    for program in programs { #expect(program.terminate() == 0, "\(program.output)") }
    let probe = try Program(["health"], in: folder, environment: ["HTTP_PORT": "\(ports[0])"])
    #expect(probe.exitCode() == 1)
    #expect(probe.output.contains("HTTP_PORT=\(ports[0])"))
  }

  @Test("a consumer that never catches up reports its lag") func lagIsReportedWhileBehind() throws {
    let broker = try Broker.preferred()
    let port = try StatusPage.freePort()
    let page = StatusPage(port: port)
    let consumer = try Program(
      ["consumer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(eventually { consumer.hasEvent("partitions_assigned") }, "\(consumer.output)")
    let catalog = try Database(
      path: folder.path + "/" + TestFolder.output + "/.image-pipeline/catalog.sqlite",
      busyTimeout: .seconds(1))
    #expect(eventually { try catalog.tryBegin() })
    let images = sampleImages(30)
    try broker.send(images.map { .image($0.key, $0.value) })
    #expect(eventually { page.value("image_pipeline_lag_messages") == 30 }, "\(consumer.output)")
    catalog.rollback()
    #expect(eventually { page.value("image_pipeline_lag_messages") == 0 }, "\(consumer.output)")
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    try expectStored(images, in: folder)
  }

  @Test("a missing broker makes a side alive and not ready", arguments: ["producer", "consumer"])
  func missingBrokerMakesUnready(side: String) throws {
    try folder.makeFolder("images")
    let port = try StatusPage.freePort()
    let page = StatusPage(port: port)
    let program = try Program(
      [side], in: folder,
      environment: ["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
    #expect(
      eventually { page.ready?.body.hasPrefix("broker: ") == true }, "\(program.output)")
    #expect(page.ready?.status == 503)
    #expect(page.live?.status == 200)
    #expect(program.terminate() == 0, "\(program.output)")
  }

  @Test("a producer is unready while its broker is down") func outageMakesProducerUnready() throws {
    let broker = try Broker()
    try folder.makeFolder("images")
    let port = try StatusPage.freePort()
    let page = StatusPage(port: port)
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(eventually { page.ready?.status == 200 }, "\(producer.output)")
    broker.setDown(true)
    try folder.write("images/a.jpg", [1])
    #expect(
      eventually { page.ready?.body.contains("acknowledgements: ") == true },
      "\(producer.output)")
    #expect(page.live?.status == 200)
    broker.setDown(false)
    #expect(eventually { page.ready?.status == 200 }, "\(producer.output)")
    // At the end, it does not wait for long.
    broker.setDown(true)
    try folder.write("images/b.jpg", [2])
    #expect(eventually { page.value("image_pipeline_in_flight_messages") == 1 }, "\(producer.output)")
    #expect(producer.terminate() == 0)
    #expect(producer.hasEvent("messages_unacknowledged", ["messages": "1"]), "\(producer.output)")
  }

  @Test("a port in use causes a warning, and images are still carried") func usedPortOnlyWarns() throws {
    let taken = try HTTPServer(address: "127.0.0.1", port: 0) { _ in nil }
    defer { taken.stop() }
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1])
    let producer = try Program(
      ["producer", "--once"], in: folder,
      environment: broker.environment(["HTTP_PORT": "\(taken.port)", "HTTP_ADDRESS": "127.0.0.1"]))
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let isReported = producer.hasEvent("http_failed", ["error": "EADDRINUSE"], naming: "\(taken.port)")
    #expect(isReported, "\(producer.output)")
    #expect(producer.sent == 1, "\(producer.output)")
  }

  @Test("the health command without a port names the missing variable") func healthNeedsAPort() throws {
    let probe = try Program(["health"], in: folder)
    #expect(probe.exitCode() == 2)
    #expect(probe.output.contains("HTTP_PORT"))
  }
}
