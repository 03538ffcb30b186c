import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Kafka
@testable import Producer
@testable import Wire

@Suite struct SendingClientsTests {
  private let cluster: EmbeddedCluster
  private let reports = Reports()
  private let photograph: [UInt8]
  private let drawing = [UInt8](repeating: 7, count: 5_000)

  private final class Reports: Sendable {
    let ways = Mutex<[SendingClients.Way]>([])
  }

  init() throws {
    cluster = try EmbeddedCluster()
    try cluster.createTopic("t", partitions: 1)
    var numbers = SeededNumbers(seed: 1)
    photograph = numbers.bytes(5_000)
  }

  private func clients(_ type: String, _ format: WireFormat = .base64) throws -> SendingClients {
    var settings = KafkaProperties([:]).producer
    settings.set("bootstrap.servers", cluster.bootstrapServers)
    settings.set("compression.type", type)
    let main = try KafkaProducer(SendingClients.settingsOfMain(settings, format: format))
    return SendingClients(main, settings, format: format) { [reports] _, way in
      reports.ways.withLock { $0.append(way) }
    }
  }

  private func client(_ clients: SendingClients, for image: [UInt8]) throws -> KafkaProducer {
    try image.withUnsafeBytes { try clients.client(for: $0) }
  }

  @Test(
    "incompressible images go through the client without compression",
    arguments: [("snappy", WireFormat.base64), ("lz4", .base64), ("zstd", .binary), ("gzip", .binary)])
  func incompressibleUsesPlainClient(type: String, format: WireFormat) throws {
    let clients = try clients(type, format)
    defer { clients.close() }
    let (plain, other) = (try client(clients, for: photograph), try client(clients, for: drawing))
    #expect(plain === clients.main && other !== plain)
    #expect(try client(clients, for: drawing) === other, "there are two, not more")
  }

  @Test(
    "one client is used if everything or nothing is compressed",
    arguments: [("zstd", WireFormat.base64), ("gzip", .base64), ("none", .base64), ("none", .binary)])
  func oneClientIsEnough(type: String, format: WireFormat) throws {
    let clients = try clients(type, format)
    defer { clients.close() }
    for image in [photograph, drawing] { #expect(try client(clients, for: image) === clients.main) }
  }

  @Test("both clients are flushed and closed and name themselves") func bothClientsAreClosed() throws {
    let clients = try clients("snappy")
    let both = [try client(clients, for: photograph), try client(clients, for: drawing)]
    for client in both {
      try Array("key".utf8).withUnsafeBytes { key in
        _ = try client.send(topic: "t", key: key, copying: key, headers: [], token: 1)
      }
    }
    #expect(
      eventually {
        clients.flush(timeout: .milliseconds(100))
        return reports.ways.withLock({ $0.count }) >= 2
      })
    #expect(Set(reports.ways.withLock { $0 }) == [.main, .compressing])
    clients.close()
    for client in both {
      let error = #expect(throws: KafkaError.self) {
        try Array("key".utf8).withUnsafeBytes { key in
          _ = try client.send(topic: "t", key: key, copying: key, headers: [], token: 1)
        }
      }
      #expect(error?.isClosed == true)
    }
  }
}
