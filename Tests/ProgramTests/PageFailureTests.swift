import TestSupport
import Testing

@testable import Kafka
@testable import Messaging
@testable import Platform

/// Dead letters on the page, with a broker: listed, shown and sent back.
@Suite(.ownThread) struct PageFailureTests {
  private static let secret = "correct-horse-battery"

  private let folder = TestFolder()
  private let broker: Broker
  private let port: Int

  init() throws {
    broker = try Broker.preferred(partitions: 2)
    port = try StatusPage.freePort()
  }

  private func page(_ environment: [String: String] = [:]) throws -> Program {
    let own = ["PAGE_PORT": "\(port)", "PAGE_TOKEN": Self.secret, "PROCESSED_IMAGES_DIR": TestFolder.output]
    let page = try Program(["page"], in: folder, environment: broker.environment(own).merging(environment) { $1 })
    #expect(eventually { page.hasEvent("page_started") }, "\(page.output)")
    return page
  }

  private func get(_ path: String = "", _ query: String = "") throws -> String {
    try RawResponse.get(port, "/api/failures\(path)\(query)", ["X-Image-Pipeline": "1"])?.text ?? ""
  }

  private func post(_ query: String, token: String = secret) throws -> Int? {
    try RawResponse.get(
      port, "/api/failures/replay" + query, method: "POST",
      ["X-Image-Pipeline": "1", "Authorization": "Bearer \(token)", "Content-Length": "0"])?.status
  }

  /// Waits until the list has this text.
  private func list(with text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    var list = ""
    #expect(
      eventually(every: .milliseconds(50)) {
        list = try get()
        return list.contains(text)
      }, "\(text): \(list)", sourceLocation: sourceLocation)
    return list
  }

  private func waiting(_ arguments: String...) throws -> JSONLine? {
    let program = try Program(["dead-letters", "--json"] + arguments, in: folder, environment: broker.environment())
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.results.last
  }

  private func count(_ part: String, in text: String) -> Int { text.ranges(of: part).count }

  @Test("a message that cannot be stored is listed with its reason, shown, and sent back by the page")
  func storyOfALetter() throws {
    let poison = TestMessage.text("no JSON", key: "the key", headers: [MessageHeader(name: "own", value: [0, 255])])
    try broker.send([poison])
    _ = try Program.storeAll(in: folder, broker)
    let page = try page()
    let listed = try list(with: "\"key\":\"the key\"")
    for part in [
      "\"kind\":\"EnvelopeError\"", "\"offset\":0", "\"replayed\":false", "\"fix\":\"Correct the message's sender",
      "\"broker_problem\":null", "\"letter\":\"\(broker.topic)-dlq/",
    ] { #expect(listed.contains(part), "\(part): \(listed)") }
    let partition = try #require(broker.deadLetters().first?.partition)
    let message = try get("/letter", "?partition=\(partition)&offset=0")
    // "no JSON", and the header "own".
    #expect(message.contains("\"value\":{\"hex\":\"6e6f204a534f4e\",\"bytes\":7}"), "\(message)")
    #expect(message.contains("{\"name\":{\"hex\":\"6f776e\",\"bytes\":3},\"value\":{\"hex\":\"00ff\",\"bytes\":2}}"))

    #expect(try post("?all=1", token: "wrong-horse-battery") == 401)
    #expect(try broker.messageCount(broker.topic) == 1)
    #expect(try post("?partition=\(partition)&offset=0") == 202)
    let after = try list(with: "\"replayed\":true")
    #expect(after.contains("\"running\":false,\"sent\":1,\"failed\":0"), "\(after)")
    #expect(try broker.messages(broker.topic).map(\.value) == [poison.value, poison.value])
    #expect(try broker.messages(broker.topic).allSatisfy { $0.headers == poison.headers })
    #expect(try waiting()?.has(["total": "0", "sent_back_before": "1"]) == true)
    // Once more: nothing is sent.
    #expect(try post("?partition=\(partition)&offset=0") == 202)
    _ = try list(with: "\"id\":2,\"all\":false,\"running\":false,\"sent\":0")
    #expect(try broker.messageCount(broker.topic) == 2)
    // What comes back as a new dead letter appears by itself.
    _ = try Program.storeAll(in: folder, broker)
    #expect(count("\"kind\":\"EnvelopeError\"", in: try list(with: "\"replayed\":false")) == 2)

    #expect(page.hasEvent("page_replay_started") && page.hasEvent("page_replay_finished", ["sent": "1"]))
    #expect(page.hasEvent("page_token_refused"))
    #expect(page.terminate() == 0)
    #expect(!page.output.contains("horse"), "\(page.output)")
  }

  @Test("single dead letters are sent back once, whatever is sent back after them") func singleLetters() throws {
    try broker.send((0..<6).map { .text("bad \($0)", key: "one key") })
    _ = try Program.storeAll(in: folder, broker)
    let page = try page()
    _ = try list(with: "\"at_offset\":5")
    let partition = try #require(broker.deadLetters().first?.partition)
    for offset in [3, 1] {
      let id = offset == 3 ? 1 : 2
      #expect(try post("?partition=\(partition)&offset=\(offset)") == 202)
      _ = try list(with: "\"id\":\(id),\"all\":false,\"running\":false,\"sent\":1")
    }
    #expect(count("\"replayed\":true", in: try list(with: "\"replayed\":true")) == 2)
    #expect(try waiting()?.has(["total": "4", "sent_back_before": "2"]) == true)
    // The command goes on where the page was, and the other way round.
    #expect(try waiting("--replay")?["sent_back"] == "4")
    #expect(eventually { count("\"replayed\":true", in: try get()) == 6 })
    #expect(try post("?all=1") == 202)
    _ = try list(with: "\"id\":3,\"all\":true,\"running\":false,\"sent\":0")
    let sent = try broker.messages(broker.topic).compactMap { $0.value.map { String(decoding: $0, as: UTF8.self) } }
    #expect(sent.count == 12 && Set(sent).allSatisfy { text in sent.count { $0 == text } == 2 }, "\(sent)")
    #expect(page.terminate() == 0)
  }

  @Test("all dead letters are sent back, those on disk and those of the topic") func allLetters() throws {
    try broker.send((0..<20).map { .text("bad \($0)", key: "\($0)") })
    _ = try Program.storeAll(in: folder, broker)
    let page = try page()
    _ = try list(with: "\"kind\"")
    #expect(eventually { count("\"replayed\":false", in: try get()) == 20 })
    #expect(try post("?all=1") == 202)
    _ = try list(with: "\"running\":false,\"sent\":20,\"failed\":0,\"stay\":0,\"problem\":null")
    #expect(try broker.messageCount(broker.topic) == 40)
    #expect(eventually { try get("/count").contains("\"known\":true,\"letters\":0") })
    #expect(page.terminate() == 0)
  }

  @Test("more dead letters at once than are listed are announced") func manyAtOnce() throws {
    let page = try page()
    _ = try list(with: "\"answered\":1")
    try broker.send((0..<300).map { .text("bad \($0)", key: "\($0)") })
    _ = try Program.storeAll(in: folder, broker)
    let list = try list(with: "\"more\":true")
    #expect(count("\"kind\"", in: list) == 200)
    #expect(page.terminate() == 0)
  }

  @Test("a file that the producer cannot send is listed with the reason until it is sent") func refusedFile() throws {
    let own = try Broker()
    // MSG_SIZE_TOO_LARGE, for some 30 s.
    own.failNextRequests(api: 0, errors: [10, 10])
    try folder.write("images/a.jpg", [1])
    let side = "127.0.0.1:\(try StatusPage.freePort())"
    let http = ["HTTP_ADDRESS": "127.0.0.1", "HTTP_PORT": String(side.split(separator: ":")[1])]
    let producer = try Program(["producer"], in: folder, environment: own.environment(http))
    #expect(eventually { producer.hasEvent("image_refused", ["image": "a.jpg"]) }, "\(producer.output)")
    let page = try page(["PAGE_SIDES": side])
    let list = try list(with: "\\\"image\\\":\\\"a.jpg\\\"")
    #expect(list.contains("SEGMENT_BYTES"), "\(list)")
    #expect(try get("/count").contains("\"unstored\":1"))
    let isSent = eventually(within: .seconds(60), every: .milliseconds(100)) {
      try get().contains("\"refused\":[]")
    }
    #expect(isSent, "\(producer.output)")
    #expect(page.terminate() == 0 && producer.terminate() == 0)
    #expect(producer.sent == 1, "\(producer.output)")
  }

  @Test(
    "a broker that is gone is named, and what it has is listed when it is back", .enabled(if: Broker.realServers == nil)
  )
  func brokerGone() throws {
    try broker.send([.text("bad")])
    _ = try Program.storeAll(in: folder, broker)
    broker.setDown(true)
    let page = try page()
    let gone = try list(with: "\"broker_problem\":\"no answer from Kafka at \(broker.servers)")
    #expect(gone.contains("\"letters\":[]"), "\(gone)")
    // The rest of the page answers at once.
    let start = MonotonicClock.now
    #expect(try RawResponse.get(port, "/api/pictures")?.status == 200)
    #expect(MonotonicClock.now - start < .seconds(2))
    broker.setDown(false)
    #expect(try list(with: "\"kind\":\"EnvelopeError\"").contains("\"broker_problem\":null"))
    // What was read stays when it goes again.
    broker.setDown(true)
    #expect(try list(with: "\"broker_problem\":\"no answer").contains("\"kind\":\"EnvelopeError\""))
    #expect(page.terminate() == 0)
  }

  @Test("Kafka is not asked before somebody wants to see failures") func quietPage() throws {
    let page = try page(["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "LOG_LEVEL": "debug"])
    #expect(eventually { try get("/count").contains("\"ready\":true") })
    #expect(try RawResponse.get(port, "/api/pictures")?.status == 200)
    #expect(
      throughout(.seconds(2)) { !page.hasEvent("librdkafka_log") && !page.hasEvent("broker_unreachable") },
      "\(page.output)")
    _ = try list(with: "\"broker_problem\":\"no answer from Kafka at 127.0.0.1:1")
    #expect(page.hasEvent("librdkafka_log"))
    #expect(page.terminate() == 0)
  }

  @Test("many large dead letters need little memory", .enabled(if: Broker.realServers != nil))
  func largeLetters() throws {
    func letter(_ number: Int) -> TestMessage {
      let errors = [("topic", broker.topic), ("partition", "0"), ("offset", "\(number)")].map {
        MessageHeader(name: "__connect.errors." + $0.0, value: Array($0.1.utf8))
      }
      return TestMessage(
        key: Array("\(number)".utf8), value: SeededNumbers.bytes(500_000, seed: UInt64(number)), headers: errors,
        partition: 0)
    }
    // The page shows the newest 200.
    for start in stride(from: 0, to: 230, by: 10) {
      try broker.send((start..<start + 10).map(letter), to: broker.topic + "-dlq")
    }
    let page = try page()
    let list = try list(with: "\"offset\":229,")
    #expect(count("\"at_offset\":", in: list) == 200 && list.contains("\"more\":true"))
    #expect(!list.contains("\"at_offset\":29,"))
    let memory = try #require(page.peakMemory)
    print("200 of 230 dead letters of 500 kB: \(memory / 1_000_000) MB in the page")
    #expect(memory < 64_000_000)
    #expect(page.terminate() == 0)
  }
}
