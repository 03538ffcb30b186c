import Output
import Platform
import Synchronization
import Telemetry

/// Tells streams of events which pictures are new. It looks at the catalog several times a second, on a thread of its
/// own, and only while somebody listens.
///
/// Events:
/// - `state`: whether there is a catalog, and what is wrong, first of all and after each change.
/// - `stored`: new rows, with the id of the newest. If there are many, only the newest are in the event, and `skipped`
///   is true.
/// - `reset`: the output is another one than before, so everything has to be read again.
final class PictureFeed: Sendable {
  struct Listener {
    let stream: EventStream
    /// The newest row that the client knows; nil if it wants new ones only.
    var after: Int64?
    /// The last state that was sent to it.
    var state: String?
  }

  private let listeners = Mutex<[Listener]>([])
  private let output: any PictureOutput
  private let input: String
  private let log: Log
  private let interval: Duration

  /// The limits of one event: pictures, and bytes. A client with too many unread bytes loses its stream.
  private static let mostPictures = 60
  private static let mostBytes = 64 << 10

  init(_ output: any PictureOutput, input: String, log: Log, interval: Duration = .milliseconds(250)) {
    self.output = output
    self.input = input
    self.log = log
    self.interval = interval
  }

  /// - Parameter after: the newest row that the client knows.
  func add(_ stream: EventStream, after: Int64?) {
    listeners.withLock { $0.append(Listener(stream: stream, after: after)) }
  }

  /// Runs until the flag is set.
  func run(until stop: StopFlag) {
    var look = Look(catalog: PictureCatalog(output))
    repeat {
      let all = listeners.withLock { listeners in
        listeners.removeAll { $0.stream.isClosed }
        return listeners
      }
      guard !all.isEmpty else { continue }
      let before = look.state
      look.take(input)
      if look.state != before, let error = look.error {
        log.warning(event: "page_catalog_failed", "the catalog cannot be read: \(error)", ["error": .name(of: error)])
      }
      var told = all
      for index in told.indices { look.tell(&told[index]) }
      listeners.withLock { listeners in
        // Those that were added meanwhile are behind the others.
        listeners.replaceSubrange(0..<told.count, with: told)
      }
    } while !stop.wait(for: interval)
  }

  /// What the feed has seen of the catalog.
  struct Look {
    let catalog: PictureCatalog
    var state: String?
    var error: (any Error)?
    private var identity: String?
    private var version: PictureCatalog.Version?
    private var newest: Int64 = 0
    /// The events of this moment, by the row that their clients know.
    private var events: [Int64: Event] = [:]

    private struct Event {
      let name: String
      let data: String
      /// The newest row that the client knows then.
      let newest: Int64
    }

    init(catalog: PictureCatalog) { self.catalog = catalog }

    mutating func take(_ input: String) {
      events = [:]
      do {
        let now = try catalog.identity()
        if now != identity { version = nil }
        identity = now
        let seen = try catalog.version()
        if version == nil || seen != version { newest = try catalog.newest() }
        version = seen
        error = nil
      } catch { (self.error, version) = (error, nil) }
      state = Fields.json([
        ("catalog", identity.map { .string($0) } ?? .absent), ("input", .string(input)),
        ("problem", (error.map { "\($0)" } ?? catalog.output.problem).map { .string($0) } ?? .absent),
      ])
    }

    mutating func tell(_ listener: inout PictureFeed.Listener) {
      if listener.state != state, let state {
        // The client compares the identity of the catalog with the one it knows.
        listener.stream.send("state", id: String(listener.after ?? newest), data: state)
        listener.state = state
      }
      guard error == nil else { return }
      guard let after = listener.after, after <= newest else {
        if listener.after != nil { listener.stream.send("reset", id: String(newest), data: "{}") }
        listener.after = newest
        return
      }
      guard after < newest, let event = event(after: after) else { return }
      listener.stream.send(event.name, id: String(event.newest), data: event.data)
      listener.after = event.newest
    }

    private mutating func event(after id: Int64) -> Event? {
      if let event = events[id] { return event }
      guard let (pictures, areMore) = try? catalog.pictures(after: id, atMost: PictureFeed.mostPictures) else {
        return nil
      }
      // More may have been stored since.
      if let first = pictures.first { newest = max(newest, first.id) }
      var (list, size) = ([String](), 0)
      for json in pictures.lazy.map(\.json) {
        size += json.utf8.count
        if size > PictureFeed.mostBytes { break }
        list.append(json)
      }
      let isCut = areMore || list.count < pictures.count
      let event = Event(
        name: "stored",
        data: "{\"newest\":\(newest),\"skipped\":\(isCut),\"pictures\":[" + list.joined(separator: ",") + "]}",
        newest: newest)
      events[id] = event
      return event
    }
  }
}
