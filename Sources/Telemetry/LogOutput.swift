import Platform
import Synchronization

/// The output for the lines of all components, with the live line below them. One lock orders the writes: a line and
/// the live line that it pushes down are one write, so that nothing comes between them.
package final class LogOutput: Sendable {
  /// The abilities of the terminal, or the values of a test.
  struct Screen: Sendable {
    let canRedraw: Bool
    let hasColour: Bool
    /// The width in columns, queried at each redraw because windows change.
    let width: @Sendable () -> Int

    static let none = Screen(canRedraw: false, hasColour: false, width: { 80 })
    static let standardError = Screen(
      canRedraw: Terminal.canRedraw(2), hasColour: Terminal.wantsColour(2), width: { Terminal.width })
  }

  let level: LogLevel
  let format: LogFormat
  let hasLiveLine: Bool
  private let hasColour: Bool
  private let width: @Sendable () -> Int
  private let write: @Sendable (String) -> Void
  private let liveLine = Mutex<String?>(nil)

  /// - Parameter write: receives everything to be shown, including line ends and control sequences.
  init(level: LogLevel, format: LogFormat, screen: Screen, write: @escaping @Sendable (String) -> Void) {
    self.level = level
    self.format = format
    self.write = write
    hasLiveLine = screen.canRedraw && format == .text
    hasColour = screen.hasColour && format == .text
    width = screen.width
  }

  func write(_ line: LogLine) {
    let text = format == .json ? line.json : line.text(coloured: hasColour)
    liveLine.withLock { live in
      write(live.map { Self.erase + text + "\n" + fitted($0) } ?? text + "\n")
    }
  }

  func setLiveLine(_ line: String?) {
    guard hasLiveLine else { return }
    let line = line.map(Escape.terminal)
    liveLine.withLock { live in
      if live == line { return }
      live = line
      write(Self.erase + (line.map(fitted) ?? ""))
    }
  }

  // A terminal wraps once its last column is written, so one column is left free. Otherwise erasing would leave a line
  // behind.
  private func fitted(_ line: String) -> String { Columns.cut(line, to: width() - 1) }

  private static let erase = "\r\u{1B}[2K"
}
