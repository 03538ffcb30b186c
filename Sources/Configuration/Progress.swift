import Platform
import Telemetry

/// Shows people that something goes on: one live line on a terminal, elsewhere a log line every few seconds where
/// something has changed.
public final class Progress: Sendable {
  /// How far it has come.
  public struct State: Equatable, Sendable {
    /// "sent", "stored"
    public var verb: String
    public var images: Int
    public var bytes: Int
    /// Images or messages to come; nil where nobody knows.
    public var left: Int?
    public var leftUnit: String

    public init(verb: String, images: Int, bytes: Int, left: Int?, leftUnit: String = "left") {
      self.verb = verb
      self.images = images
      self.bytes = bytes
      self.left = left
      self.leftUnit = leftUnit
    }
  }

  private let log: Log
  private let stop = StopFlag()
  private let interval: Int
  private let state: @Sendable () -> State

  private static let liveInterval = 200

  /// - Parameter interval: between two log lines, in ms; 0: none.
  public init(log: Log, interval: Int, state: @escaping @Sendable () -> State) {
    self.log = log
    self.interval = interval
    self.state = state
  }

  /// Shows progress while `body` runs.
  public func during<T>(_ body: () throws -> T) rethrows -> T {
    guard log.hasLiveLine || interval > 0 else { return try body() }
    let thread = BackgroundThread.start("progress") { self.run() }
    defer {
      stop.set()
      thread.join()
      log.setLiveLine(nil)
    }
    return try body()
  }

  private func run() {
    let isLive = log.hasLiveLine
    var before = (state: state(), time: Clock.monotonicMilliseconds)
    var rate = 0.0
    while !stop.wait(milliseconds: isLive ? Self.liveInterval : interval) {
      let now = (state: state(), time: Clock.monotonicMilliseconds)
      let current = Double(now.state.bytes - before.state.bytes) * 1_000 / Double(max(1, now.time - before.time))
      // A live figure that jumps five times a second cannot be read.
      rate = isLive ? 0.8 * rate + 0.2 * current : current
      if isLive {
        log.setLiveLine(line(now.state, rate))
      } else if now.state != before.state {
        log.info(line(now.state, rate), ["images": .of(now.state.images), "bytes": .of(now.state.bytes)])
      }
      before = now
    }
  }

  private func line(_ state: State, _ rate: Double) -> String {
    var line = "\(state.verb) \(Quantity.count(state.images, "image")), \(Quantity.bytes(state.bytes)), "
    line += "\(Quantity.bytes(Int(rate)))/s"
    if let left = state.left, left > 0 { line += ", \(Quantity.grouped(left)) \(state.leftUnit)" }
    return line
  }
}

/// Quantities as people read them.
public enum Quantity {
  /// 1 MB is 1,000,000 bytes.
  public static func bytes(_ count: Int) -> String {
    var value = Double(count)
    var unit = 0
    let units = ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5, unit < units.count - 1 {
      value /= 1_000
      unit += 1
    }
    if unit == 0 { return "\(count) B" }
    let tenths = Int((value * 10).rounded())
    return value < 99.95 ? "\(tenths / 10).\(tenths % 10) \(units[unit])" : "\(Int(value.rounded())) \(units[unit])"
  }

  /// "1 image", "10,000 images"
  public static func count(_ count: Int, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }

  public static func grouped(_ count: Int) -> String {
    var digits = Array(String(count.magnitude))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return (count < 0 ? "-" : "") + String(digits)
  }

  /// "0.4 s", "2 min 5 s"
  public static func duration(milliseconds: Int) -> String {
    let tenths = (milliseconds + 50) / 100
    if tenths < 600 { return "\(tenths / 10).\(tenths % 10) s" }
    return "\(tenths / 600) min \(tenths / 10 % 60) s"
  }
}
