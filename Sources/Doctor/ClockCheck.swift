import Kafka
import Platform
import Telemetry

/// Checks this machine's clock. It decides when files count as finished, and dates messages.
struct ClockCheck {
  /// In ms since 1970.
  var now: Int64
  /// nil if the kernel does not tell.
  var isSynchronised: Bool?

  /// The years 2024 to 2100, in ms since 1970. A machine without a battery starts before them. A broken clock may show
  /// any time.
  private static let plausible = Int64(1_704_067_200_000)..<Int64(4_102_444_800_000)

  static func here() -> ClockCheck {
    ClockCheck(now: WallClock.milliseconds, isSynchronised: WallClock.isSynchronised)
  }

  func findings() -> [Finding] {
    let time = WallClock.iso8601(milliseconds: now)
    guard Self.plausible.contains(now) else {
      return [
        .problem(
          "clock_plausible",
          "this machine's clock shows \(time)",
          cure: "set it (timedatectl set-ntp true): certificates, retention and the settling of files depend on it")
      ]
    }
    guard isSynchronised == false else {
      return [
        .ok(
          "clock_synchronised",
          time + (isSynchronised == nil ? "; whether it is synchronised is unknown here" : ", synchronised"))
      ]
    }
    return [
      .note(
        "clock_synchronised",
        "\(time), and nothing synchronises it",
        "timedatectl set-ntp true, on the host: sent_time and stored_time, and the "
          + "topic's retention, use the clocks of producer, broker and consumer")
    ]
  }

  /// Compares the broker's clock with this machine's.
  /// - Parameters:
  ///   - clock: nil if the broker does not tell.
  ///   - settings: the topic's settings; nil if the broker does not tell.
  static func broker(_ clock: BrokerClock?, _ settings: [String: String]?) -> [Finding] {
    guard let clock else {
      return [
        .ok(
          "broker_clock",
          "the broker's clock is not compared: Kafka reports it only on a PLAINTEXT listener (KRaft, 3.3 and newer, Describe on "
            + "the cluster)")
      ]
    }
    // Positive: this machine is ahead.
    let difference = clock.local - clock.time
    let surely = max(0, abs(difference) - clock.uncertainty)
    let text =
      "this machine's clock is \(Quantity.duration(.milliseconds(abs(difference)))) "
      + "\(difference > 0 ? "ahead of" : "behind") the broker's"
    let cure = "synchronise both with NTP (timedatectl set-ntp true)"
    if let limit = limit(settings, isAhead: difference > 0), surely > limit.milliseconds {
      return [
        .problem(
          "message_clock_limit",
          "\(text), and the topic's \(limit.name)=\(limit.milliseconds) refuses messages that are sent from here",
          cure: cure)
      ]
    }
    if surely > 60_000 { return [.problem("broker_clock", text, cure: cure)] }
    if surely > 2_000 { return [.note("broker_clock", text, cure)] }
    return [
      .ok(
        "broker_clock", "this machine's clock and the broker's agree within \(abs(difference) + clock.uncertainty) ms")
    ]
  }

  /// How far a message's time may be from the broker's. Kafka 3.6 and newer have one limit for each direction, older
  /// versions one for both.
  private static func limit(_ settings: [String: String]?, isAhead: Bool) -> (name: String, milliseconds: Int64)? {
    guard settings?["message.timestamp.type"] != "LogAppendTime" else { return nil }
    let names = [
      isAhead ? "message.timestamp.after.max.ms" : "message.timestamp.before.max.ms",
      "message.timestamp.difference.max.ms",
    ]
    for name in names {
      if let value = settings?[name].flatMap({ Int64($0) }) { return (name, value) }
    }
    return nil
  }

  /// Reports a message from the future: its producer's clock is ahead, or this machine's is behind.
  /// - Parameters:
  ///   - newest: the newest timestamp of the messages that were looked at, in ms since 1970.
  ///   - settings: the topic's settings; nil if the broker does not tell.
  static func messages(newest: Int64, _ settings: [String: String]?, now: Int64) -> [Finding] {
    guard newest - now > 2_000 else { return [] }
    let source = settings?["message.timestamp.type"] == "LogAppendTime" ? "the broker's" : "its producer's"
    let text =
      "a message is dated \(Quantity.duration(.milliseconds(newest - now))) later than this machine's clock shows: \(source) "
      + "is ahead, or this one is behind"
    let cure = "synchronise all clocks with NTP (timedatectl set-ntp true)"
    return [newest - now > 60_000 ? .problem("message_clock", text, cure: cure) : .note("message_clock", text, cure)]
  }

  /// Reports a file system whose clock differs from this machine's: the server of a network file system has its own
  /// clock.
  /// - Parameters:
  ///   - difference: the file system's time minus this machine's, in ms.
  ///   - path: a path on the file system.
  static func fileSystem(_ path: String, difference: Int64) -> [Finding] {
    // Small differences are normal: a file's time comes from a clock that ticks every 4 ms.
    guard abs(difference) > 2_000 else { return [] }
    let seconds = abs(difference) / 1_000
    return [
      .note(
        "file_system_clock",
        "the clock of the file system of \(path) is \(seconds) s \(difference > 0 ? "ahead of" : "behind") this machine's",
        "synchronise both with NTP: a file's time decides whether it is finished")
    ]
  }
}
