import Kafka
import Synchronization
import Wire

/// The clients that images are sent by: librdkafka compresses all that a client sends or nothing, and to compress in vain costs a
/// tenth of what sending costs. One that does not compress is there always, one that does is made with the first image that
/// is worth it. Versions of one image never overtake each other: the next is not sent before the last is in the ledger.
final class SendingClients: Sendable {
  /// Which of the two sent a message.
  enum Way: Sendable { case main, compressing }
  typealias Report = @Sendable (DeliveryReport, Way) -> Void

  /// Answers questions, too. Compresses nothing, but where it sends everything.
  let main: KafkaProducer
  /// Of the one that compresses; nil where there is none.
  private let compressing: KafkaSettings?
  private let second = Mutex<KafkaProducer?>(nil)
  private let report: Report

  /// These have codes for single bytes and win back what Base64 adds, of any image. snappy and lz4 only find repetitions.
  private static let shrinkingBase64: Set = ["gzip", "zstd"]

  /// - Throws: an error that names the property when the library refuses a setting.
  init(_ settings: KafkaSettings, format: WireFormat, report: @escaping Report) throws(KafkaError) {
    let type = settings.effective("compression.type") ?? "none"
    let isOneEnough = type == "none" || (format == .base64 && Self.shrinkingBase64.contains(type))
    var own = settings
    if !isOneEnough { own.set("compression.type", "none") }
    main = try KafkaProducer(own) { report($0, .main) }
    compressing = isOneEnough ? nil : settings
    self.report = report
  }

  /// The client for an image. Not to be called any more once `close` is.
  /// - Parameter image: its bytes, or of a large one the first piece.
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

  /// As `KafkaProducer.flush`, of all of them.
  func flush(timeoutMilliseconds: Int) {
    let clients = made
    for client in clients { _ = client.flush(timeoutMilliseconds: max(1, timeoutMilliseconds / clients.count)) }
  }

  /// Has each of them look at the topic now, which takes up a new one at once.
  func lookAt(_ topic: String, timeoutMilliseconds: Int) throws(KafkaError) {
    for client in made { _ = try client.partitionCount(of: topic, timeoutMilliseconds: timeoutMilliseconds) }
  }

  /// What ended one of them.
  var fatalError: KafkaError? { made.lazy.compactMap(\.fatalError).first }

  /// The newest of what keeps them from a broker.
  func lastTrouble() -> ClientTrouble? { made.compactMap { $0.lastTrouble() }.max { $0.time < $1.time } }

  func close() { for client in made { client.close() } }
}
