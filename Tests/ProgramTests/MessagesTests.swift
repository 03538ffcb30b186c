import TestSupport
import Testing

/// The command `image-pipeline messages`, which lists the topic's messages.
@Suite(.ownThread) struct MessagesTests {
  private let folder = TestFolder()

  private func run(_ broker: Broker, _ arguments: [String] = [], _ more: [String: String] = [:]) throws -> [String] {
    let environment = broker.environment(["LOG_LEVEL": "error"].merging(more) { $1 })
    let program = try Program(["messages"] + arguments, in: folder, environment: environment)
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output.split(separator: "\n").map { String($0) }
  }

  @Test("each message is a line with its image, size and hash") func messagesAreListed() throws {
    let broker = try Broker.preferred()
    try broker.send(
      [.image("cat/a b.jpg", [1, 2, 3])] + TestMessage.segments("large.jpg", Array(repeating: 7, count: 10), size: 6)
        + [.text("no JSON", key: "k")])
    let lines = try run(broker)
    try #require(lines.count == 4, "\(lines)")
    #expect(lines[0].hasPrefix("time=2") && lines[0].contains(" partition=0 offset=0 image=\"cat/a b.jpg\" bytes="))
    #expect(lines[0].contains(" image_bytes=3 sha256=039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"))
    #expect(lines[1].contains(" image=large.jpg ") && lines[1].contains(" image_bytes=10 segment=1/2 sha256="))
    #expect(lines[2].contains(" segment=2/2 "))
    #expect(lines[3].contains(" offset=3 key=k bytes=8 unusable=\""))
    let json = try run(broker, ["--json"]).compactMap { JSONLine($0) }
    #expect(json.map { $0.number("offset") } == [0, 1, 2, 3] && json.allSatisfy { $0["time"]?.hasPrefix("2") == true })
  }

  @Test("--count shows only the newest messages") func countLimitsToNewest() throws {
    let broker = try Broker.preferred(partitions: 3)
    for number in 0..<9 { try broker.send([.image("\(number).jpg", [UInt8(number)])]) }
    let lines = try run(broker, ["--count", "2"])
    #expect(lines.count == 2 && lines[0].contains(" image=7.jpg ") && lines[1].contains(" image=8.jpg "), "\(lines)")
    #expect(try run(broker, ["--count=100"]).count == 9)
  }

  @Test("a topic without messages is reported as such") func emptyTopicIsReported() throws {
    let broker = try Broker.preferred()
    #expect(try run(broker) == ["no messages in \(broker.topic)"])
  }
}
