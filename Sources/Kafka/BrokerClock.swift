import Platform

/// The broker's clock, which librdkafka has no request for. DescribeQuorum (KRaft, Kafka 3.3 and newer) tells when the controller
/// was last in step with each of its voters: for the controller itself, that is now.
///
/// It changes nothing, and speaks plain TCP only: on a listener with TLS or SASL there is no answer.
package struct BrokerClock: Sendable, Equatable {
  /// Milliseconds since 1970, by the broker.
  package let time: Int64
  /// Milliseconds since 1970, by this machine, in the middle between question and answer.
  package let local: Int64
  /// How far `time` less `local` may be off, in ms: half of the time between question and answer.
  package let uncertainty: Int64

  /// Returns nil if the broker does not tell: it is older, has another kind of controller, does not let this user ask, or wants
  /// TLS or a password first.
  package static func ask(host: String, port: Int, timeoutMilliseconds: Int) -> BrokerClock? {
    let (sent, wall) = (Clock.monotonicMilliseconds, Clock.wallMilliseconds)
    guard
      let answer = TCPProbe.ask(
        TCPProbe.Address(host: host, port: port), request, timeoutMilliseconds: timeoutMilliseconds),
      let time = controllerTime(in: answer)
    else { return nil }
    let half = (Clock.monotonicMilliseconds - sent + 1) / 2
    return BrokerClock(time: time, local: wall + half, uncertainty: half)
  }

  private static let metadataTopic = Array("__cluster_metadata".utf8)

  /// DescribeQuorum is API 55; its first version with times is 1.
  static let request: [UInt8] = {
    let client = Array("image-pipeline".utf8)
    let header: [UInt8] = [0, 55, 0, 1, 0, 0, 0, 1, 0, UInt8(client.count)] + client + [0]
    // One topic with one partition, number 0. Lengths are one more than they say.
    return header + [2, UInt8(metadataTopic.count + 1)] + metadataTopic + [2, 0, 0, 0, 0, 0, 0, 0]
  }()

  /// The controller's own time in an answer to `request`; nil if the answer is another.
  static func controllerTime(in answer: [UInt8]) -> Int64? {
    var rest = Bytes(rest: answer[...])
    guard rest.integer(4) == 1, rest.integer(1) == 0, rest.integer(2) == 0, rest.integer(1) == 2,
      rest.skip(Int(rest.integer(1) ?? 1) - 1), rest.integer(1) == 2, rest.integer(4) == 0, rest.integer(2) == 0,
      let leader = rest.integer(4), rest.skip(4 + 8), let voters = rest.integer(1), voters > 0
    else { return nil }
    for _ in 1..<voters {
      guard let id = rest.integer(4), rest.skip(8 + 8), let time = rest.integer(8), rest.integer(1) == 0 else {
        return nil
      }
      if id == leader, time > 0 { return time }
    }
    return nil
  }

  private struct Bytes {
    var rest: ArraySlice<UInt8>

    /// A big-endian number of so many bytes.
    mutating func integer(_ count: Int) -> Int64? {
      guard rest.count >= count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count).reduce(0) { $0 << 8 | Int64($1) }
    }

    mutating func skip(_ count: Int) -> Bool {
      guard count >= 0, rest.count >= count else { return false }
      rest = rest.dropFirst(count)
      return true
    }
  }
}
