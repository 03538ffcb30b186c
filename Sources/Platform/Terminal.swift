import Glibc

/// What the log needs to know about a terminal, and how it writes to one.
package enum Terminal {
  static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

  /// Whether the descriptor is a terminal that can move its cursor and erase (TERM is not "dumb").
  package static func canRedraw(_ descriptor: CInt) -> Bool {
    isTerminal(descriptor) && environment("TERM") != "dumb"
  }

  /// Whether to use colour: the descriptor is a terminal and NO_COLOR is not set (no-color.org).
  package static func wantsColour(_ descriptor: CInt) -> Bool {
    canRedraw(descriptor) && (environment("NO_COLOR") ?? "").isEmpty
  }

  /// The number of columns of the terminal on stderr; 80 if unknown.
  package static var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Writes the text with one write(2), so that lines of several processes do not mix. Further writes follow only for
  /// what a full pipe did not accept. A closed reader is not an error: nobody is left to report it to.
  package static func write(_ text: String, to descriptor: CInt) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count >= 0 {
          rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        } else if errno == EAGAIN {
          // A process that shares the descriptor made it non-blocking.
          var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&request, 1, -1)
        } else if errno != EINTR {
          return
        }
      }
    }
  }

  private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
