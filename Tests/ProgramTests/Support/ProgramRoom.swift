import TestSupport
import Testing

/// Each test has a broker and programs of its own: more of them at once would only time each other out.
private let programs = OwnThread.Room(6)

extension Trait where Self == OwnThread {
  static var ownThread: Self { OwnThread(programs) }
}
