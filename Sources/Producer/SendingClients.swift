import Kafka
import Synchronization
import Wire

/// The Kafka clients that send images. A librdkafka client compresses everything that it sends or nothing, and
/// compressing in vain costs a tenth of what sending costs. So there are two clients. One does not compress and always
/// exists. One compresses, and is created for the first image that is worth it.
///
/// Versions of one image never overtake each other: the next one is not sent before the last one is in the ledger.
final class SendingClients: Sendable {
  /// The client that sent a message.
  enum Way: Sendable { case main, compressing }
  typealias Report = @Sendable (DeliveryReport, Way) -> Void

  /// Also answers questions. Compresses nothing, unless it is the only client.
  let main: KafkaProducer
  /// The settings of the client that compresses; nil if there is none.
  private let compressing: KafkaSettings?
  private let second = Mutex<KafkaProducer?>(nil)
  private let report: Report

  /// Codecs that have codes for single bytes, so they save what Base64 adds, for any image. snappy and lz4 only find
  /// repetitions.
  private static let shrinkingBase64: Set = ["gzip", "zstd"]

  /// - Parameters:
  ///   - main: a client with the settings of `settingsOfMain`.
  ///   - report: receives the delivery reports of both clients.
  init(_ main: KafkaProducer, _ settings: KafkaSettings, format: WireFormat, report: @escaping Report) {
    self.main = main
    compressing = Self.isOneEnough(settings, format) ? nil : settings
    self.report = report
    main.reportDeliveries { report($0, .main) }
  }

  static func settingsOfMain(_ settings: KafkaSettings, format: WireFormat) -> KafkaSettings {
    var own = settings
    if !isOneEnough(settings, format) { own.set("compression.type", "none") }
    return own
  }

  private static func isOneEnough(_ settings: KafkaSettings, _ format: WireFormat) -> Bool {
    let type = settings.effective("compression.type") ?? "none"
    return type == "none" || (format == .base64 && shrinkingBase64.contains(type))
  }

  /// The client for an image. Must not be called after `close`.
  /// - Parameter image: its bytes, or the first segment of a large image.
  func client(for image: UnsafeRawBufferPointer) throws(KafkaError) -> KafkaProducer {
    guard let compressing, Compressibility.isWorthwhile(image) else { return main }
    return try second.withLock { [report] (second) throws(KafkaError) in
      if let second { return second }
      let made = try KafkaProducer(compressing) { report($0, .compressing) }
      second = made
      return made
    }
  }

  private var made: [KafkaProducer] { [main] + second.withLock { $0.map { [$0] } ?? [] } }

  /// Like `KafkaProducer.flush`, for all clients. They share the timeout.
  func flush(timeout: Duration) {
    let clients = made
    for client in clients { _ = client.flush(timeout: max(.milliseconds(1), timeout / clients.count)) }
  }

  /// Makes each client look up the topic now, so that it uses a new one at once.
  func lookAt(_ topic: String, timeout: Duration) throws(KafkaError) {
    for client in made { _ = try client.partitionCount(of: topic, timeout: timeout) }
  }

  /// The fatal error of one of the clients, if any.
  var fatalError: KafkaError? { made.lazy.compactMap(\.fatalError).first }

  /// The newest trouble that keeps a client from a broker.
  func lastTrouble() -> ClientTrouble? { made.compactMap { $0.lastTrouble() }.max { $0.time < $1.time } }

  func close() { for client in made { client.close() } }
}
