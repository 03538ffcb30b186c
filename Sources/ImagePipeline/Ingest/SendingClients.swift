import Kafka
import Synchronization

/// The clients that images are sent by: librdkafka compresses all that a client sends or nothing, and to compress in vain costs a
/// tenth of what sending costs. One that does not compress is there always, one that does is made with the first image that
/// is worth it. Versions of one image never overtake each other: the next is not sent before the last is in the ledger.
final class SendingClients: Sendable {
  enum Way: Sendable, Hashable { case plain, compressing }
  typealias Report = @Sendable (DeliveryReport, Way) -> Void

  /// Answers questions, too.
  let main: KafkaProducer
  private let mainWay: Way
  /// nil where one client sends everything.
  private let others: KafkaSettings?
  private let second = Mutex<Second>(.none)
  private let report: Report

  private enum Second {
    case none
    case made(KafkaProducer)
    case closed
  }

  /// These have codes for single bytes and win back what Base64 adds, of any image. snappy and lz4 only find repetitions.
  private static let shrinkingBase64: Set = ["gzip", "zstd"]

  /// - Throws: an error that names the property when the library refuses a setting.
  init(_ settings: KafkaSettings, format: WireFormat, report: @escaping Report) throws(KafkaError) {
    let type = settings.effective("compression.type") ?? "none"
    self.report = report
    if type == "none" || (format == .base64 && Self.shrinkingBase64.contains(type)) {
      let way: Way = type == "none" ? .plain : .compressing
      (mainWay, others) = (way, nil)
      main = try KafkaProducer(settings) { report($0, way) }
    } else {
      var plain = settings
      plain.set("compression.type", "none")
      (mainWay, others) = (.plain, settings)
      main = try KafkaProducer(plain) { report($0, .plain) }
    }
  }

  /// The client for an image.
  /// - Parameter image: its bytes, or of a large one the first piece.
  func client(for image: UnsafeRawBufferPointer) throws(KafkaError) -> KafkaProducer {
    guard let others, Compressibility.isWorthwhile(image) else { return main }
    return try compressing(others)
  }

  private func compressing(_ settings: KafkaSettings) throws(KafkaError) -> KafkaProducer {
    let report = self.report
    return try second.withLock { (second) throws(KafkaError) in
      switch second {
      case .made(let client): return client
      // It refuses what it is given.
      case .closed: return main
      case .none:
        let client = try KafkaProducer(settings) { report($0, .compressing) }
        second = .made(client)
        return client
      }
    }
  }

  private var made: [KafkaProducer] {
    [main] + second.withLock { if case .made(let client) = $0 { [client] } else { [] } }
  }

  /// As `KafkaProducer.flush`, of all of them.
  func flush(timeoutMilliseconds: Int) {
    let clients = made
    for client in clients { _ = client.flush(timeoutMilliseconds: max(1, timeoutMilliseconds / clients.count)) }
  }

  /// What ended one of them.
  var fatalError: KafkaError? { made.lazy.compactMap(\.fatalError).first }

  /// The newest of what keeps them from a broker.
  func lastTrouble() -> ClientTrouble? { made.compactMap { $0.lastTrouble() }.max { $0.time < $1.time } }

  func close() {
    let clients = made
    second.withLock { $0 = .closed }
    for client in clients { client.close() }
  }
}
