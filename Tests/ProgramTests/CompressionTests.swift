import Glibc
import TestSupport
import Testing

@testable import Platform

/// Compressible and incompressible images go through separate clients into one topic.
@Suite(.ownThread) struct CompressionTests {
  private let folder = TestFolder()

  private func image(_ number: Int, size: Int) -> [UInt8] {
    number % 2 == 0
      ? SeededNumbers.bytes(size, seed: UInt64(number)) : [UInt8](repeating: UInt8(number % 251), count: size)
  }

  @Test("a mixture of compressible and incompressible images is carried once in each of two runs")
  func mixedImagesAreCarried() throws {
    let broker = try Broker.preferred()
    var images: [String: [UInt8]] = [:]
    for number in 0..<120 { images["mixed/\(number).tif"] = image(number, size: 3_000 + number * 100) }
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    for attempt in 1...2 {
      if attempt == 2 {
        for number in 120..<160 {
          images["mixed/\(number).tif"] = image(number, size: 5_000)
          try folder.write("images/mixed/\(number).tif", images["mixed/\(number).tif"]!)
        }
      }
      let producer = try Program(
        ["producer", "--once"], in: folder, environment: broker.environment(["SEGMENT_BYTES": "6000"]))
      #expect(producer.exitCode() == 0, "\(producer.output)")
      #expect(!producer.hasEvent("topic_recreated"), "\(producer.output)")
      _ = try Program.storeAll(in: folder, broker)
      try expectStored(images, in: folder)
    }
  }

  /// The last version wins, whichever client sends it.
  @Test("versions of an image keep their order across both clients") func versionsKeepTheirOrder() throws {
    let broker = try Broker.preferred()
    try folder.write("images/first.tif", image(0, size: 3_000))
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    try #require(eventually { (try? broker.messageCount(broker.topic)) ?? 0 > 0 }, "\(producer.output)")
    var last: [UInt8] = []
    for number in 1...40 {
      last = image(number, size: 3_000 + number)
      try folder.write("images/new/changing.part", last)
      try #require(rename(folder.path + "/images/new/changing.part", folder.path + "/images/new/changing.tif") == 0)
    }
    let newest = last.withUnsafeBytes { SHA256.hash($0) }.hex
    #expect(
      eventually { (try? broker.messages(broker.topic).contains { $0.header("image-sha256") == newest }) == true },
      "\(producer.output)")
    producer.signal(SIGTERM)
    #expect(producer.exitCode() == 0, "\(producer.output)")
    _ = try Program.storeAll(in: folder, broker)
    #expect(folder.bytes(TestFolder.output + "/new/changing.tif") == last)
  }
}
