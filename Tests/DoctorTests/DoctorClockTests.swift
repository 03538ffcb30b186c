import Testing

@testable import Doctor
@testable import Kafka
@testable import Telemetry

/// This machine's clock, compared with the broker's and with message times.
@Suite struct DoctorClockTests {
  private let hour: Int64 = 3_600_000
  private let limits = [
    "message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
  ]

  /// - Parameter ahead: how far this machine is ahead, in ms.
  private func level(_ ahead: Int64, _ settings: [String: String]? = nil) -> Finding.Level? {
    ClockCheck.broker(BrokerClock(time: 1_800_000_000_000, local: 1_800_000_000_000 + ahead, uncertainty: 10), settings)
      .first?.level
  }

  @Test("clocks that agree are fine, seconds are a note, a minute is a problem") func differencesAreJudged() {
    #expect(level(0) == .ok && level(-1_900) == .ok)
    #expect(level(2_500) == .note && level(-30_000) == .note)
    #expect(level(61_000) == .problem && level(-3 * hour) == .problem)
  }

  @Test("a clock beyond the topic's limit is a problem that names the limit") func limitIsNamed() {
    let clock = BrokerClock(time: 1_800_000_000_000, local: 1_800_000_000_000 + 3 * hour, uncertainty: 10)
    let finding = ClockCheck.broker(clock, limits).first
    #expect(
      finding?.key == "message_clock_limit problem"
        && finding?.text.contains("message.timestamp.after.max.ms=3600000") == true)
    let append = ClockCheck.broker(clock, ["message.timestamp.type": "LogAppendTime"]).first
    #expect(append?.key == "broker_clock problem")
  }

  @Test("an unknown clock is no finding") func noClockIsNoProblem() {
    #expect(ClockCheck.broker(nil, limits).keys == ["broker_clock ok"])
  }

  @Test("a message from the future is reported") func futureMessagesAreReported() {
    #expect(ClockCheck.messages(newest: 1_000, limits, now: 1_000).isEmpty)
    #expect(ClockCheck.messages(newest: 10_000, limits, now: 1_000).keys == ["message_clock note"])
    #expect(ClockCheck.messages(newest: 3 * hour, limits, now: 1_000).keys == ["message_clock problem"])
  }
}
