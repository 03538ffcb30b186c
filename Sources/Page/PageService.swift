package import Configuration
package import Platform
package import Telemetry

/// Serves the page until it is stopped. Nothing depends on it. It reads the catalog and the images of an output, which may be
/// in a bucket, asks producers and consumers for their metrics, and asks Kafka for dead letters when somebody wants to see them. It changes
/// nothing, except that it sends dead letters back for people who have the token.
package struct PageService {
  private let settings: PageSettings
  private let configuration: Configuration
  private let checks: Checks?
  private let hasBroker: Bool
  private let log: Log
  private let stop: StopFlag

  /// Lists and pictures are quick. Checks of large files are not, but there is only one at a time.
  private static let workers = 3

  /// - Parameters:
  ///   - configuration: its page and its consumer have the output that is shown. A bucket of the consumer comes first.
  ///   - checks: nil if there is nothing to check.
  ///   - hasBroker: false if its Kafka is not the one that the pictures came from.
  package init(_ configuration: Configuration, checks: Checks?, hasBroker: Bool = true, log: Log, stop: StopFlag) {
    settings = configuration.page
    self.configuration = configuration
    self.checks = checks
    self.hasBroker = hasBroker
    self.log = log
    self.stop = stop
  }

  /// - Throws: `HTTPServerError` if the port cannot be used.
  package func run() throws {
    let output = self.output()
    // The copy of a bucket's log is removed last: until then it can be read.
    defer { output.close() }
    let feed = PictureFeed(output, input: settings.input, log: log)
    let sides = settings.sides.isEmpty ? nil : SideWatch(settings.sides)
    let refused = sides.map { sides in RefusedImages { sides.producers } }
    let desk = FailureDesk(configuration, hasBroker: hasBroker, refused: refused, log: log, stop: stop)
    let permission = PagePermission(token: hasBroker ? settings.token : nil, hosts: settings.hosts, log: log)
    let handler = PageHandler(
      output, hosts: settings.hosts, feed: feed, checks: checks,
      history: PictureHistory(configuration.producer), sides: sides,
      failures: FailureRequests(desk: desk, permission: permission), log: log, stop: stop)
    defer { checks?.finish() }
    let server = try HTTPServer(
      address: settings.address, port: settings.port, variable: "PAGE_PORT", workers: Self.workers, lane: lane,
      answer: handler.answer)
    defer {
      // The threads of the server may wait for a store.
      output.interrupt()
      server.stop()
    }
    let failures = BackgroundThread.start("failures") { desk.run() }
    defer {
      desk.close()
      failures.join()
    }
    log.info(
      event: "page_started", "the page is at http://localhost:\(server.port)",
      ["address": .string(settings.address), "port": .of(server.port), "output": .string(settings.output)])
    let watching = sides.map { sides in BackgroundThread.start("sides") { [stop] in sides.run(until: stop) } }
    defer { watching?.join() }
    feed.run(until: stop)
  }

  private func output() -> any PictureOutput {
    guard let bucket = configuration.consumer.bucket else { return FolderPictures(settings.output) }
    return BucketPictures(bucket, log: log, stop: stop)
  }

  /// Objects are read before they are sent, which takes as long as the store takes.
  private var lane: HTTPLane? {
    configuration.consumer.bucket == nil
      ? nil : HTTPLane(workers: BucketPictures.mostReads, accepts: PageHandler.isSlow)
  }
}
