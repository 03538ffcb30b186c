import Platform

/// Shows progress to people: one live line on a terminal; otherwise a log line every few seconds, if something has
/// changed.
package final class Progress: Sendable {
  /// The progress so far.
  package struct State: Equatable, Sendable {
    /// "sent", "stored"
    var verb: String
    var images: Int
    var bytes: Int
    /// The remaining images or messages; nil if unknown.
    var left: Int?
    var leftUnit: String

    package init(verb: String, images: Int, bytes: Int, left: Int?, leftUnit: String = "left") {
      self.verb = verb
      self.images = images
      self.bytes = bytes
      self.left = left
      self.leftUnit = leftUnit
    }
  }

  private let log: Log
  private let stop = StopFlag()
  private let interval: Duration
  private let state: @Sendable () -> State

  private static let liveInterval = Duration.milliseconds(200)

  /// - Parameter interval: the time between two log lines; zero for none.
  package init(log: Log, interval: Duration, state: @escaping @Sendable () -> State) {
    self.log = log
    self.interval = interval
    self.state = state
  }

  /// Shows progress while `body` runs.
  package func during<T>(_ body: () throws -> T) rethrows -> T {
    guard log.hasLiveLine || interval > .zero else { return try body() }
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
    var before = (state: state(), time: MonotonicClock.now)
    var rate = 0.0
    while !stop.wait(for: isLive ? Self.liveInterval : interval) {
      let now = (state: state(), time: MonotonicClock.now)
      let current = Double(now.state.bytes - before.state.bytes) / max(0.001, (now.time - before.time) / .seconds(1))
      // The rate is smoothed: a live figure that jumps five times a second cannot be read.
      rate = isLive ? 0.8 * rate + 0.2 * current : current
      if isLive {
        log.setLiveLine(line(now.state, rate))
      } else if now.state != before.state {
        log.info(
          event: "progress", line(now.state, rate), ["images": .of(now.state.images), "bytes": .of(now.state.bytes)])
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
