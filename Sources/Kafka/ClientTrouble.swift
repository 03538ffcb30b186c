import Crdkafka
import Platform

/// What kept a client from a broker: an error of its own, that belongs to no request. Who waits for an answer learns
/// only that none came; this is why.
package struct ClientTrouble: Sendable, Equatable {
  /// The error's name, as `KafkaError` has it: `_AUTHENTICATION`.
  package let name: String
  /// librdkafka's words: `ssl://broker:9093/bootstrap: SSL handshake failed: ...`. The part before the first blank is the
  /// broker's address; `/bootstrap` ends it where it comes from `bootstrap.servers`, else the broker's number.
  package let reason: String
  /// When, by the monotonic clock, in ms.
  package let time: Int64

  init(name: String, reason: String, time: Int64) {
    self.name = name
    self.reason = reason
    self.time = time
  }

  init(_ code: rd_kafka_resp_err_t, _ reason: String) {
    self.init(
      name: String(cString: rd_kafka_err2name(code)), reason: Self.withoutTime(reason),
      time: Clock.monotonicMilliseconds)
    isVague = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
  }

  /// It says that no connection is left and not why. Of a peer that hangs up newer versions of the library say only this.
  private(set) var isVague = false

  /// How long a reason stands before a vague one takes its place, in ms: the library repeats it every 30 s.
  private static let standing: Int64 = 60_000

  /// What is known once this has come too.
  func following(_ last: ClientTrouble?) -> ClientTrouble {
    guard isVague, let last, time - last.time < Self.standing else { return self }
    return last
  }

  /// `Disconnected (after 181ms in state SSL_HANDSHAKE, 1 identical error(s) suppressed)` is `Disconnected (in state
  /// SSL_HANDSHAKE)`: of a disconnect the state says more than the word.
  private static func withoutTime(_ reason: String) -> String {
    guard reason.hasSuffix(")"), let start = reason.ranges(of: " (after ").last,
      let state = reason[start.upperBound...].ranges(of: " in state ").first
    else { return reason }
    let name = reason[state.upperBound...].prefix { $0 != "," && $0 != ")" }
    return reason[..<start.lowerBound] + " (in state \(name))"
  }
}
