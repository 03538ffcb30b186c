import Crdkafka
import Platform
import Synchronization

/// Owns one `rd_kafka_t`. Every user of the pointer, and every message that came from it, keeps this object alive. The
/// client is destroyed after the last of them is released, so a message may outlive `close()` and a late call never
/// finds freed memory.
package final class Handle: @unchecked Sendable {
  let client: OpaquePointer
  let context: ClientContext
  /// The user name that is sent to the broker; nil if the broker identifies the user in another way, or not at all.
  private let user: String?

  /// - Parameter configure: sets callbacks on the configuration before the library takes it over.
  init(
    _ kind: rd_kafka_type_t, _ settings: KafkaSettings, configure: (OpaquePointer) -> Void = { _ in }
  ) throws(KafkaError) {
    let configuration = try settings.makeConfiguration()
    user = settings.values["sasl.username"]
    let context = ClientContext(onLog: settings.onLog, user: user, credentials: Credentials(settings))
    // Retained for the library, which holds it as a bare pointer. Released once the library's threads have ended.
    let retained = Unmanaged.passRetained(context)
    rd_kafka_conf_set_opaque(configuration, retained.toOpaque())
    rd_kafka_conf_set_log_cb(configuration, settings.onLog == nil ? nil : logCallback)
    rd_kafka_conf_set_error_cb(configuration, errorCallback)
    rd_kafka_conf_set_stats_cb(configuration, statisticsCallback)
    configure(configuration)
    let (client, reason) = withReasonBuffer { rd_kafka_new(kind, configuration, $0, $1) }
    guard let client else {
      rd_kafka_conf_destroy(configuration)
      retained.release()
      throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "Kafka client", reason: reason)
    }
    self.client = client
    self.context = context
  }

  deinit {
    context.close()
    // Destroying joins the library's threads. One of them may be in a name lookup, or may be the caller itself. On a
    // thread of its own, the wait can be bounded.
    let client = Carried(value: client)
    let context = Carried(value: Unmanaged.passUnretained(context))
    let isDone = StopFlag()
    _ = BackgroundThread.start("kafka-destroy") {
      rd_kafka_destroy_flags(client.value, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
      context.value.release()
      isDone.set()
    }
    _ = isDone.wait(for: .seconds(5))
  }

  /// The fatal error of this client; nil if there is none.
  var fatalError: KafkaError? {
    let (code, reason) = withReasonBuffer { rd_kafka_fatal_error(client, $0, $1) }
    if code != RD_KAFKA_RESP_ERR_NO_ERROR {
      context.remember(fatal: code, reason)
    }
    return context.fatalError
  }

  /// Connects to any broker, and waits for the connection until the deadline.
  ///
  /// A consumer's main thread looks for a broker before it knows any. The library then waits for 50 ms before it tries
  /// again, and that retry may come only a second later.
  func connect(within deadline: Deadline) {
    var patience: Int32 = 60
    repeat {
      // Requests the topics that are known locally: none at first.
      var answer: UnsafePointer<rd_kafka_metadata>?
      if rd_kafka_metadata(client, 0, nil, &answer, deadline.milliseconds(atMost: patience))
        == RD_KAFKA_RESP_ERR_NO_ERROR
      {
        return rd_kafka_metadata_destroy(answer)
      }
      patience = min(2 * patience, 2_000)
    } while !deadline.hasPassed
  }

  /// The error for a code. `_FATAL` says only that a fatal error occurred; this returns that error.
  ///
  /// - Parameter needs: the right that the user needs for the operation.
  func error(
    _ code: rd_kafka_resp_err_t, _ place: String, reason: String? = nil, needs: MissingRight.Need? = nil
  ) -> KafkaError {
    guard code == RD_KAFKA_RESP_ERR__FATAL, let fatal = fatalError else {
      return KafkaError(
        code, place, reason: reason, missingRight: needs.flatMap { MissingRight(code, $0, user: user) })
    }
    return KafkaError(
      rd_kafka_resp_err_t(rawValue: fatal.code), place, reason: fatal.reason, isFatal: true,
      missingRight: fatal.missingRight)
  }
}

/// The object behind the opaque pointer of the library's callbacks.
final class ClientContext: Sendable {
  private let onLog: (@Sendable (Int, String, String) -> Void)?
  private let user: String?
  private let credentials: Credentials?
  private let isClosed = Atomic(false)
  private let fatal = Mutex<KafkaError?>(nil)
  private let trouble = Mutex<ClientTrouble?>(nil)
  private let missesTopic = Atomic(false)
  private let member = Mutex<Weak>(Weak())

  private struct Weak: Sendable {
    weak var consumer: KafkaConsumer?
  }

  init(onLog: (@Sendable (Int, String, String) -> Void)?, user: String?, credentials: Credentials?) {
    self.onLog = onLog
    self.user = user
    self.credentials = credentials
  }

  /// Stops the log: `onLog` is not called any more.
  func close() {
    isClosed.store(true, ordering: .releasing)
  }

  func log(_ level: Int, _ facility: String, _ message: String) {
    // One set of settings serves producers and consumers, so a property of the other kind is not a mistake.
    if facility == "CONFWARN", ["consumer instance", "producer instance"].contains(where: message.hasSuffix) { return }
    if !isClosed.load(ordering: .acquiring) { onLog?(level, facility, message) }
  }

  var fatalError: KafkaError? { fatal.withLock { $0 } }

  @discardableResult
  func remember(fatal code: rd_kafka_resp_err_t, _ reason: String) -> KafkaError {
    let error = KafkaError(
      code, "Kafka client", reason: reason, isFatal: true, missingRight: MissingRight(code, .producerID, user: user))
    // The first one is the cause.
    fatal.withLock { if $0 == nil { $0 = error } }
    return error
  }

  var lastTrouble: ClientTrouble? { trouble.withLock { $0 } }

  /// Whether a topic or a partition has been missing since the last call.
  func takeMissesTopic() -> Bool { missesTopic.exchange(false, ordering: .acquiringAndReleasing) }

  /// The consumer that receives the callbacks; nil if it has been released.
  var consumer: KafkaConsumer? {
    get { member.withLock { $0.consumer } }
    set { member.withLock { $0.consumer = newValue } }
  }

  static func of(_ opaque: UnsafeMutableRawPointer?) -> ClientContext? {
    opaque.map { Unmanaged<ClientContext>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Handles an error that concerns the client as a whole, such as "all brokers are down".
  func report(_ code: rd_kafka_resp_err_t, _ reason: String, of client: OpaquePointer?) {
    if KafkaError(code, "").isTopicMissing { missesTopic.store(true, ordering: .releasing) }
    trouble.withLock { $0 = ClientTrouble(code, reason).following($0) }
    if code == RD_KAFKA_RESP_ERR__AUTHENTICATION, let client, credentials?.renew(client) == true {
      log(5, "AUTH", "re-read user name and password from their files for the next attempt")
    }
    var text = "\(reason) (\(String(cString: rd_kafka_err2name(code))))"
    guard code == RD_KAFKA_RESP_ERR__FATAL, let client else { return log(3, "ERROR", text) }
    let (original, why) = withReasonBuffer { rd_kafka_fatal_error(client, $0, $1) }
    text = remember(fatal: original, why).description
    log(2, "FATAL", text)
  }
}

private typealias LogCallback =
  @convention(c) (OpaquePointer?, CInt, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void
private typealias ErrorCallback =
  @convention(c) (OpaquePointer?, CInt, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void
private typealias StatisticsCallback =
  @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutableRawPointer?) -> CInt

private let logCallback: LogCallback = { client, level, facility, message in
  guard let client, let facility, let message else { return }
  ClientContext.of(rd_kafka_opaque(client))?.log(Int(level), String(cString: facility), String(cString: message))
}

private let errorCallback: ErrorCallback = { client, code, reason, opaque in
  let text = reason.map { String(cString: $0) } ?? ""
  ClientContext.of(opaque)?.report(rd_kafka_resp_err_t(rawValue: code), text, of: client)
}

private let statisticsCallback: StatisticsCallback = { _, json, size, opaque in
  let text = UnsafeRawBufferPointer(start: json, count: size)
  ClientContext.of(opaque)?.log(7, "STATS", String(decoding: text, as: UTF8.self))
  return 0  // The text stays the library's, which frees it.
}
