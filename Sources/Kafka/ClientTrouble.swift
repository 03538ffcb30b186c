import Crdkafka
package import Platform

/// The error that kept a client from reaching a broker. It belongs to no request: a caller that waits for an answer
/// learns only that none arrived, and this is the reason.
package struct ClientTrouble: Sendable, Equatable {
  /// The name of the error, as in `KafkaError`: `_AUTHENTICATION`.
  package let name: String
  /// The library's message: `ssl://broker:9093/bootstrap: SSL handshake failed: ...`. The part before the first space
  /// is the broker's address. It ends in `/bootstrap` if it comes from `bootstrap.servers`, otherwise in the broker's
  /// number.
  package let reason: String
  /// When the error occurred.
  package let time: MonotonicClock.Instant

  init(name: String, reason: String, time: MonotonicClock.Instant) {
    self.name = name
    self.reason = reason
    self.time = time
  }

  init(_ code: rd_kafka_resp_err_t, _ reason: String) {
    self.init(
      name: String(cString: rd_kafka_err2name(code)), reason: Self.withoutTime(reason),
      time: MonotonicClock.now)
    isVague = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
  }

  /// True if the error says that no connection is left, but not why. If a peer hangs up, newer versions of the library
  /// report only this.
  private(set) var isVague = false

  /// How long a reason is kept before a vague one replaces it: the library repeats the reason every 30 s.
  private static let standing = Duration.seconds(60)

  /// The trouble to remember after this one: the last one if this one is vague and the last one is recent.
  func following(_ last: ClientTrouble?) -> ClientTrouble {
    guard isVague, let last, time - last.time < Self.standing else { return self }
    return last
  }

  /// Removes the time and the count from a reason: `Disconnected (after 181ms in state SSL_HANDSHAKE, 1 identical
  /// error(s) suppressed)` becomes `Disconnected (in state SSL_HANDSHAKE)`. The state of a disconnect is more
  /// informative than the word.
  private static func withoutTime(_ reason: String) -> String {
    guard reason.hasSuffix(")"), let start = reason.ranges(of: " (after ").last,
      let state = reason[start.upperBound...].ranges(of: " in state ").first
    else { return reason }
    let name = reason[state.upperBound...].prefix { $0 != "," && $0 != ")" }
    return reason[..<start.lowerBound] + " (in state \(name))"
  }
}
