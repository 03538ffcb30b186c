import Synchronization

@testable import Telemetry

/// A client of a stream of events.
final class StreamClient: Sendable {
  let stream = EventStream()
  private let bytes = Mutex<[UInt8]>([])

  init() { stream.open { [weak self] new in self?.bytes.withLock { $0 += new } } }

  var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }

  /// The events with ids that have arrived: name, id and data.
  var events: [(name: String, id: String, data: String)] {
    text.split(separator: "\n\n").compactMap { event in
      let values = event.split(separator: "\n").map { String($0.drop { $0 != " " }.dropFirst()) }
      return values.count == 3 ? (values[0], values[1], values[2]) : nil
    }
  }

  func has(_ name: String, id: String) -> Bool { events.contains { $0.name == name && $0.id == id } }
}
