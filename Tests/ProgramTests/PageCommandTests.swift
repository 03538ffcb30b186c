import TestSupport
import Testing

@testable import Platform

/// The page over an output that the real consumer writes.
@Suite(.ownThread) struct PageCommandTests {
  private let folder = TestFolder()

  private func page(_ port: Int, _ environment: [String: String] = [:]) throws -> Program {
    try Program(
      ["page"], in: folder,
      environment: ["PAGE_PORT": "\(port)", "PROCESSED_IMAGES_DIR": TestFolder.output].merging(environment) { $1 })
  }

  @Test("stored images are listed and served, also those of a consumer that works meanwhile") func images() throws {
    let port = try StatusPage.freePort()
    let page = try page(port)
    #expect(
      eventually { page.hasEvent("page_started", ["address": "127.0.0.1", "port": "\(port)"]) }, "\(page.output)")
    #expect(try RawResponse.get(port, "/api/pictures")?.text.contains("\"pictures\":[]") == true)
    let stream = try RawConnection(port: port)
    stream.send("GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    #expect(stream.read(upTo: "event: state\n") != nil)

    let broker = try Broker.preferred()
    let images = sampleImages(3)
    try broker.send(images.map { .image($0.key, $0.value) })
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(stream.read(upTo: "event: stored\n") != nil, "\(page.output)")
    func list() throws -> String { try RawResponse.get(port, "/api/pictures")?.text ?? "" }
    #expect(eventually { try list().contains("\"newest\":3") }, "\(page.output)")
    for id in 1...3 {
      let facts = try #require(JSONLine(RawResponse.get(port, "/api/pictures/\(id)")?.text ?? ""))
      let name = try #require(facts["name"])
      #expect(try RawResponse.get(port, "/pictures/\(id)")?.body == images[name])
      let verdict = try RawResponse.get(port, "/api/pictures/\(id)/verify", ["X-Image-Pipeline": "1"])
      #expect(verdict?.text.contains("\"result\":\"unchanged\"") == true)
    }
    #expect(consumer.terminate() == 0, "\(consumer.output)")
    // The consumer has left, and its output stays to be seen.
    #expect(try list().contains("\"newest\":3"))
    #expect(page.terminate() == 0, "\(page.output)")
    #expect(stream.isClosed())
  }

  @Test("the page tells when an image was confirmed, runs audit and doctor, and shows what they find") func checks()
    throws
  {
    let port = try StatusPage.freePort()
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", [1, 2, 3])
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    let sent = try Program(["producer", "--once", "--until-stored"], in: folder, environment: broker.environment())
    #expect(sent.exitCode() == 0, "\(sent.output)\(consumer.output)")
    let page = try page(port, broker.environment())
    #expect(eventually { page.hasEvent("page_started") }, "\(page.output)")
    func run(_ kind: String) throws -> String {
      let started = eventually {
        try RawResponse.get(port, "/api/checks/\(kind)", method: "POST", ["X-Image-Pipeline": "1"])?.status == 202
      }
      #expect(started)
      func state() throws -> String { try RawResponse.get(port, "/api/checks")?.text ?? "" }
      #expect(eventually(within: .seconds(90)) { try state().contains("\"running\":null") })
      return try state()
    }
    let facts = try RawResponse.get(port, "/api/pictures/1")?.text ?? ""
    #expect(facts.contains("\"state\":\"confirmed\"") && !facts.contains("\"receipt\":null"), "\(facts)")
    let sound = try run("audit")
    #expect(sound.contains(#"\"stored\":1"#) && sound.contains(#"\"findings\":0}"#), "\(sound)")
    try folder.remove(TestFolder.output + "/a.jpg")
    let faulty = try run("audit")
    #expect(faulty.contains(#"\"finding\":\"file_missing\",\"name\":\"a.jpg\""#), "\(faulty)")
    let doctor = try run("doctor")
    #expect(
      doctor.contains(#"\"check\":\"broker_reachable\""#) && doctor.contains(#"\"area\":\"output\""#), "\(doctor)")
    #expect(consumer.terminate() == 0)
    #expect(page.terminate() == 0)
  }

  @Test("the numbers of a producer and a consumer are shown, and a side that goes away is named") func numbers() throws
  {
    let broker = try Broker.preferred(partitions: 2)
    let images = sampleImages(20)
    try folder.makeFolder("images")
    let ports = try (0..<3).map { _ in try StatusPage.freePort() }
    let page = try page(ports[0], ["PAGE_SIDES": "127.0.0.1:\(ports[1]),localhost:\(ports[2])"])
    let sides = try zip(["producer", "consumer"], ports.dropFirst()).map { side, port in
      try Program(
        [side], in: folder, environment: broker.environment(["HTTP_PORT": "\(port)", "HTTP_ADDRESS": "127.0.0.1"]))
    }
    func numbers() -> String { (try? RawResponse.get(ports[0], "/api/numbers"))?.text ?? "" }
    try #require(eventually { numbers().contains("\"producers\":1,\"consumers\":1,") }, "\(page.output)")
    let stream = try RawConnection(port: ports[0])
    stream.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    #expect(stream.read(upTo: "\"state\":{\"is\":\"flowing\"") != nil, "\(numbers())")
    // Everything that was sent is stored within the mean of the rates, and timed.
    #expect(eventually { numbers().contains(/"out":\[[^\]]*[1-9]/) }, "\(numbers())")
    #expect(eventually { numbers().contains(/"file50":\[[^\]]*[1-9]/) }, "\(numbers())")
    #expect(sides[1].terminate() == 0, "\(sides[1].output)")
    let away = "\"troubles\":[{\"side\":\"consumer at localhost:\(ports[2])\",\"words\":\"no answer"
    #expect(eventually { numbers().contains(away) }, "\(numbers())")
    #expect(sides[0].terminate() == 0 && page.terminate() == 0, "\(page.output)")
  }

  @Test("a port in use ends the command with the fix") func usedPort() throws {
    let port = try StatusPage.freePort()
    let first = try page(port)
    #expect(eventually { first.hasEvent("page_started") }, "\(first.output)")
    let second = try page(port)
    #expect(second.exitCode() == 1)
    #expect(second.hasEvent("program_failed", ["error": "EADDRINUSE"], naming: "PAGE_PORT"), "\(second.output)")
    #expect(first.terminate() == 0)
  }

  @Test("a wrong variable of the page stops the page alone", arguments: [["page"], ["demo", "--page"]])
  func wrongVariable(command: [String]) throws {
    try folder.makeFolder("images")
    let environment = ["PAGE_TOKEN": "short", "PAGE_SIDES": "a:b"]
    let refused = try Program(command, in: folder, environment: environment)
    #expect(refused.exitCode() == 2)
    #expect(refused.output.contains("PAGE_TOKEN") && refused.output.contains("PAGE_SIDES"), "\(refused.output)")
    let demo = try Program(["demo", "--output", "."], in: folder, environment: environment)
    #expect(demo.exitCode() == 0, "\(demo.output)")
  }

  @Test("a health check finds the page well") func health() throws {
    let port = try StatusPage.freePort()
    let page = try page(port)
    #expect(eventually { page.hasEvent("page_started") }, "\(page.output)")
    let probe = try Program(["health", "--ready"], in: folder, environment: ["HTTP_PORT": "\(port)"])
    #expect(probe.exitCode() == 0, "\(probe.output)")
    #expect(page.terminate() == 0)
  }
}
