import Glibc
import TestSupport
import Testing

@testable import Platform

/// Our sides and the plain Python scripts understand each other through the wire format alone.
@Suite(.ownThread, .enabled("no Python with confluent-kafka") { Python.isThere }) struct InteropTests {
  private let folder = TestFolder()
  private let images = [
    "1.jpg": SeededNumbers.bytes(20_000, seed: 1), "zwei Größe.png": SeededNumbers.bytes(1_001, seed: 2),
    "写真 \"3\".webp": SeededNumbers.bytes(1_002, seed: 3), "empty.gif": [], "back\\slash.bmp": [0, 255, 10, 13],
    "🐈.jpeg": SeededNumbers.bytes(600_000, seed: 4),
  ]

  private func python(_ script: String, _ arguments: String...) throws -> String { try python(script, arguments) }

  private func python(_ script: String, _ arguments: [String]) throws -> String {
    let program = try Program([Python.scripts + "/" + script] + arguments, in: folder, executable: Python.path!)
    #expect(program.exitCode() == 0, "\(program.output)")
    return program.output
  }

  @Test(
    "messages of a plain Python producer are stored, also with line ends in their Base64",
    arguments: [[], ["--encodebytes"]])
  func pythonProducerIsUnderstood(options: [String]) throws {
    let broker = try Broker.preferred(partitions: 2)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let said = try python(
      "python_producer.py",
      ["--bootstrap-servers", broker.servers, "--topic", broker.topic, "--input", "images"] + options)
    #expect(said.contains("sent 6 images"), "\(said)")
    #expect(try broker.messages(broker.topic).allSatisfy { $0.headers.isEmpty })
    #expect(try Program.storeAll(in: folder, broker).stored == 6)
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
    let verified = try Program(["verify"], in: folder)
    #expect(verified.exitCode() == 0, "\(verified.output)")
    #expect(try folder.leftovers() == [])
  }

  @Test("messages of our producer are stored by a plain Python consumer") func pythonConsumerUnderstandsUs() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = images.merging(["cat/1.jpg": [1], "dog/été/2.jpg": [2, 3]]) { $1 }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let said = try python(
      "python_consumer.py", "--bootstrap-servers", broker.servers, "--topic", broker.topic, "--group", "python",
      "--output", TestFolder.output, "--csv", TestFolder.csv, "--count", "\(images.count)", "--timeout", "40")
    #expect(said.contains("stored \(images.count) images"), "\(said)")
    #expect(try folder.files(TestFolder.output) == images.keys.sorted())
    expectBytes(images, in: folder, TestFolder.output)
  }

  @Test("an image from a Python producer and from ours is the same image") func pythonImageEqualsOurs() throws {
    let broker = try Broker.preferred()
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try python(
      "python_producer.py", "--bootstrap-servers", broker.servers, "--topic", broker.topic, "--input", "images")
    #expect(try Program.storeAll(in: folder, broker).stored == 6)
    #expect(folder.text(TestFolder.csv).split(separator: "\n").count == 7)
  }
}

/// A Python with confluent-kafka, created once in the build folder.
enum Python {
  static let scripts = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Interop"

  static let path: String? = {
    let folder = TestFolder()
    let cache = Program.path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/interop"
    guard
      let made = try? Program([scripts + "/environment.sh", cache], in: folder, executable: "/bin/bash"),
      let code = made.exitCode(within: .seconds(700))
    else { return nil }
    var said = made.output
    while said.last == "\n" { said.removeLast() }
    if code == 0 { return said }
    print("The tests against Python are skipped: \(said)")
    return nil
  }()

  static var isThere: Bool { path != nil }
}
