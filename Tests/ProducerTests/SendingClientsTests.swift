import Synchronization
import TestSupport
import Testing

@testable import Configuration
@testable import Kafka
@testable import Platform
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
    return try SendingClients(settings, format: format) { [reports] _, way in reports.ways.withLock { $0.append(way) } }
  }

  private func client(_ clients: SendingClients, for image: [UInt8]) throws -> KafkaProducer {
    try image.withUnsafeBytes { try clients.client(for: $0) }
  }

  @Test(arguments: [("snappy", WireFormat.base64), ("lz4", .base64), ("zstd", .binary), ("gzip", .binary)])
  func whatCannotBeMadeSmallerIsSentByAClientThatDoesNotTry(type: String, format: WireFormat) throws {
    let clients = try clients(type, format)
    defer { clients.close() }
    let (plain, other) = (try client(clients, for: photograph), try client(clients, for: drawing))
    #expect(plain === clients.main && other !== plain)
    #expect(try client(clients, for: drawing) === other, "there are two, not more")
  }

  @Test(arguments: [("zstd", WireFormat.base64), ("gzip", .base64), ("none", .base64), ("none", .binary)])
  func whereAllOrNothingIsToBeCompressedOneClientSendsIt(type: String, format: WireFormat) throws {
    let clients = try clients(type, format)
    defer { clients.close() }
    for image in [photograph, drawing] { #expect(try client(clients, for: image) === clients.main) }
  }

  @Test func bothAreFlushedAndClosedAndSayWhichTheyAre() throws {
    let clients = try clients("snappy")
    let both = [try client(clients, for: photograph), try client(clients, for: drawing)]
    for client in both {
      try Array("key".utf8).withUnsafeBytes { key in
        _ = try client.send(topic: "t", key: key, copying: key, headers: [], token: 1)
      }
    }
    let end = Clock.monotonicMilliseconds + 30_000
    while reports.ways.withLock({ $0.count }) < 2, Clock.monotonicMilliseconds < end {
      clients.flush(timeoutMilliseconds: 100)
    }
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
