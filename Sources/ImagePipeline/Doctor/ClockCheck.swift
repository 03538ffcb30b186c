import Platform

/// The clock, by which files are known as finished and messages are dated.
struct ClockCheck {
  /// ms since 1970.
  var now: Int64
  /// nil: the kernel does not say.
  var isSynchronised: Bool?

  /// 2024 and 2100, in ms since 1970: a machine without a battery starts before, a broken one may be anywhere.
  private static let plausible = Int64(1_704_067_200_000)..<Int64(4_102_444_800_000)

  static func here() -> ClockCheck {
    ClockCheck(now: Clock.wallMilliseconds, isSynchronised: Clock.isSynchronised)
  }

  func findings() -> [Finding] {
    let time = Clock.iso8601(milliseconds: now)
    guard Self.plausible.contains(now) else {
      return [
        .problem(
          "this machine's clock says \(time)",
          cure: "set it (timedatectl set-ntp true): certificates, retention and the settling of files go by it")
      ]
    }
    guard isSynchronised == false else {
      return [.ok(time + (isSynchronised == nil ? "; whether it is synchronised is not told here" : ", synchronised"))]
    }
    return [
      .note(
        "\(time), and nothing keeps it right",
        "timedatectl set-ntp true, on the host: sent_time and stored_time, and the "
          + "topic's retention, go by the clocks of producer, broker and consumer")
    ]
  }

  /// The clock of a file system, which a network file system's server has of its own.
  /// - Parameters:
  ///   - difference: its time less this machine's, in ms.
  ///   - path: what lies on it.
  static func fileSystem(_ path: String, difference: Int64) -> [Finding] {
    // A file's time comes from a clock that ticks every 4 ms.
    guard abs(difference) > 2_000 else { return [] }
    let seconds = abs(difference) / 1_000
    return [
      .note(
        "the clock of the file system of \(path) is \(seconds) s \(difference > 0 ? "ahead of" : "behind") this machine's",
        "set both by NTP: whether a file is finished is told by its time")
    ]
  }
}
