import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct RoundTripTests {
  @Test("every image arrives byte for byte with its row") func imagesArriveExactly() throws {
    let (folder, broker) = (TestFolder(), try Broker(partitions: 3))
    for number in 0..<60 {
      try folder.write(
        "images/\(["cat", "dog"][number % 2])/\(number).jpg", SeededNumbers.bytes(number * 97, seed: UInt64(number)))
    }
    try folder.write("images/Größe 100 %, \"été\".png", SeededNumbers.bytes(1_000, seed: 99))
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
    #expect(producer.exitCode() == 0, "\(producer.output)")
    let consumer = try Program(["consumer", "--until-idle", "0.5"], in: folder, environment: broker.environment())
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(try folder.files("images") == folder.files("processed_images"))
    for name in try folder.files("images") {
      #expect(folder.bytes("images/" + name) == folder.bytes("processed_images/" + name), "\(name)")
    }
    let verified = try Program(["verify"], in: folder)
    #expect(verified.exitCode() == 0, "\(verified.output)")
    #expect(folder.text("processed_image_data.csv").split(separator: "\n").count == 62)
  }

  @Test("images that were sent and stored are not sent or stored again") func repetitionDoesNothing() throws {
    let (folder, broker) = (TestFolder(), try Broker())
    for number in 0..<20 { try folder.write("images/\(number).jpg", SeededNumbers.bytes(500, seed: UInt64(number))) }
    for round in 1...3 {
      let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment())
      #expect(producer.exitCode() == 0, "\(producer.output)")
      let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: broker.environment())
      #expect(consumer.exitCode() == 0, "\(consumer.output)")
      #expect(consumer.stored == (round == 1 ? 20 : 0), "\(consumer.output)")
      #expect(producer.sent == (round == 1 ? 20 : 0), "\(producer.output)")
    }
    #expect(folder.text("processed_image_data.csv").split(separator: "\n").count == 21)
  }
}
