import Glibc
import TestSupport
import Testing

@Suite(.ownThread) struct BinaryFormatTests {
  private let folder = TestFolder()

  @Test("JSON and binary messages share a topic and an output") func formatsShareTopicAndOutput() throws {
    let broker = try Broker.preferred()
    let sizes = [0, 1, 999, 1_000, 1_001, 5_500]
    var images: [String: [UInt8]] = [:]
    for size in sizes { images["cat/\(size) ä.jpg"] = SeededNumbers.bytes(size, seed: UInt64(size)) }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    func send(_ format: String, _ more: [String]) throws {
      let environment = broker.environment(["SEGMENT_BYTES": "1000", "WIRE_FORMAT": format])
      let producer = try Program(["producer", "--once"] + more, in: folder, environment: environment)
      #expect(producer.exitCode() == 0, "\(producer.output)")
    }
    try send("base64", [])
    let before = try broker.messages(broker.topic).count
    let name = "dog/later.png"
    images[name] = SeededNumbers.bytes(2_500, seed: 77)
    try folder.write("images/" + name, images[name]!)
    try send("binary", [])

    let later = try broker.messages(broker.topic).filter { $0.key == Array(name.utf8) }
    #expect(later.map { $0.header("image-encoding") } == ["binary", "binary", "binary"], "what was sent stays sent")
    #expect(later.flatMap { $0.value ?? [] } == images[name]!)
    #expect(try broker.messages(broker.topic).count == before + 3)
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)

    // Everything once more in the other format: the same images, which are already stored.
    try send("binary", ["--resend"])
    let output = try Program.storeAll(in: folder, broker).output
    #expect(output.log.stored == 0, "\(output)")
    try expectStored(images, in: folder)
    #expect(try broker.deadLetters() == [])
  }

  @Test("a damaged binary message becomes a dead letter with its image name") func badBinaryMessageIsDeadLetter() throws
  {
    let broker = try Broker.preferred()
    try folder.write("images/a.jpg", SeededNumbers.bytes(300, seed: 3))
    let environment = broker.environment(["WIRE_FORMAT": "binary"])
    let producer = try Program(["producer", "--once"], in: folder, environment: environment)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let good = try #require(try broker.messages(broker.topic).first)
    var value = try #require(good.value)
    value[100] ^= 1
    try broker.send([
      TestMessage(key: good.key, value: value, headers: good.headers)
    ])
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["a.jpg": SeededNumbers.bytes(300, seed: 3)], in: folder)
    let letters = try Program(["dead-letters"], in: folder, environment: broker.environment())
    #expect(letters.exitCode() == 0)
    #expect(letters.output.contains("image=a.jpg") && letters.output.contains("DigestMismatch"), "\(letters.output)")
    let listed = try Program(["messages"], in: folder, environment: broker.environment())
    #expect(listed.exitCode() == 0)
    #expect(listed.output.contains("image=a.jpg") && !listed.output.contains("unusable"), "\(listed.output)")
  }
}
