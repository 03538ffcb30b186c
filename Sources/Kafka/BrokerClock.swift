import Platform

/// The broker's clock. librdkafka has no request for it, so this sends DescribeQuorum (KRaft, Kafka 3.3 and newer),
/// which reports when the controller was last in step with each of its voters. For the controller itself, that is now.
///
/// The request changes nothing. It uses plain TCP only: a listener with TLS or SASL does not answer.
package struct BrokerClock: Sendable, Equatable {
  /// Milliseconds since 1970, by the broker's clock.
  package let time: Int64
  /// Milliseconds since 1970, by this machine's clock, halfway between request and answer.
  package let local: Int64
  /// The largest possible error of `time - local`, in ms: half of the time between request and answer.
  package let uncertainty: Int64

  /// Returns nil if the broker does not answer: it is older, has another kind of controller, does not allow this user
  /// to ask, or requires TLS or a password first.
  package static func ask(host: String, port: Int, timeout: Duration) -> BrokerClock? {
    let (sent, wall) = (MonotonicClock.now, WallClock.milliseconds)
    guard
      let answer = TCPProbe.ask(
        TCPProbe.Address(host: host, port: port), request, timeout: timeout),
      let time = controllerTime(in: answer)
    else { return nil }
    let half = Int64((MonotonicClock.now - sent).inMilliseconds + 1) / 2
    return BrokerClock(time: time, local: wall + half, uncertainty: half)
  }

  private static let metadataTopic = Array("__cluster_metadata".utf8)

  /// DescribeQuorum is API 55; version 1 is the first one that contains times.
  static let request: [UInt8] = {
    let client = Array("image-pipeline".utf8)
    let header: [UInt8] = [0, 55, 0, 1, 0, 0, 0, 1, 0, UInt8(client.count)] + client + [0]
    // One topic with one partition, number 0. Each length is encoded as the length plus one.
    return header + [2, UInt8(metadataTopic.count + 1)] + metadataTopic + [2, 0, 0, 0, 0, 0, 0, 0]
  }()

  /// The controller's own time in the answer to `request`; nil for any other answer.
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

    /// A big-endian number of `count` bytes.
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
