import Configuration
import Consumer
import Glibc
import Output
import Page
import Platform
import Producer
import Telemetry

/// One run of the program: carries out the command with the configuration, and returns the exit code.
struct Commands {
  var configuration: Configuration
  let options: Options
  let log: Log
  let stop: StopFlag

  func run() throws -> Int32 {
    // `doctor` reports them among its findings.
    if options.command != .doctor {
      for warning in configuration.warnings { log.warning(event: "setting_questionable", warning) }
    }
    return switch options.command {
    case .producer: try produce()
    case .consumer: try consume()
    case .page: try page()
    case .status: try status()
    case .demo: try demo()
    case .verify: try verify()
    case .audit: try audit()
    case .export: try export()
    case .deadLetters: try deadLetters()
    case .repair: try repair()
    case .messages: try messages()
    case .receipts: try receipts()
    case .health: health()
    case .doctor: doctor()
    }
  }

  /// Whether a command prints its findings as JSON, one object per line, instead of text.
  var isJSON: Bool { options.json || configuration.logFormat == .json }

  // MARK: Producer

  private func produce() throws -> Int32 {
    var settings = configuration.producer
    settings.once = options.once
    settings.resend = options.resend
    settings.untilStored = options.untilStored
    if settings.untilStored, settings.receiptsNeeded == 0 {
      throw UsageError("--until-stored waits for receipts: set RECEIPTS_NEEDED to 1 or more")
    }
    if settings.once { settings.patience = .seconds(60) }
    return try produce(settings, http: configuration.http)
  }

  func produce(_ settings: ProducerSettings, http: HTTPSettings? = nil) throws -> Int32 {
    var settings = settings
    settings.kafka.onLog = kafkaLog
    let health = Health()
    let events = ProducerEvents(log: log, input: settings.input, health: health)
    let disks = [("state", settings.stateFolder)]
    let server = StatusServer(
      http, health: health, log: log, refused: { events.refusedFiles },
      metrics: { events.addMetrics(to: &$0, disks: disks) })
    defer { server?.stop() }
    let start = MonotonicClock.now
    let progress = Progress(log: log, interval: configuration.progressInterval) {
      let now = events.now
      return Progress.State(verb: "sent", images: now.sent, bytes: now.bytes, left: now.left)
    }
    try progress.during { try ProducerService(settings, log: log, events: events, stop: stop).run() }
    let (now, receipts) = (events.now, events.receipts.now)
    // Without `once`, a producer that runs again at once takes care of them.
    let waiting = settings.once && settings.afterSent != .keep ? receipts.waiting : 0
    log.info(
      event: "producer_finished",
      "sent \(Quantity.count(now.sent, "image")), \(Quantity.bytes(now.bytes)), in "
        + Quantity.duration(.now - start)
        + (now.refused > 0 ? "; \(Quantity.grouped(now.refused)) could not be sent" : "")
        + (waiting > 0
          ? "; \(Quantity.count(waiting, "image")) wait for receipts, and their files stay until a later run" : "")
        + (now.tally.summary.map { "; " + $0 } ?? ""),
      [
        "images": .of(now.sent), "bytes": .of(now.bytes), "refused": .of(now.refused),
        "passed_by": .of(now.tally.passedBy), "passed_by_extensions": .of(now.tally.named),
        "excluded": .of(now.tally.excluded), "waiting_for_receipt": .unlessZero(waiting),
      ])
    if settings.untilStored, receipts.unstored + receipts.gone > 0 { return 1 }
    // If it was stopped early, not all existing files have been sent.
    return settings.once && (now.refused > 0 || now.unhandled > 0 || stop.isSet) ? 1 : 0
  }

  // MARK: Consumer

  private func consume() throws -> Int32 {
    var settings = configuration.consumer
    settings.fromBeginning = options.fromBeginning
    settings.count = options.count
    settings.untilIdle = options.untilIdle
    settings.kafka.onLog = kafkaLog
    let health = Health()
    let events = ConsumerEvents(log: log, health: health)
    let disks = settings.bucket == nil ? [("output", settings.outputPath), ("csv", settings.csvPath)] : []
    let server = StatusServer(configuration.http, health: health, log: log) { events.addMetrics(to: &$0, disks: disks) }
    defer { server?.stop() }
    let start = MonotonicClock.now
    let progress = Progress(log: log, interval: configuration.progressInterval) {
      let now = events.now
      return Progress.State(
        verb: "stored", images: now.images, bytes: now.bytes, left: now.lag, leftUnit: "messages left")
    }
    try progress.during { try ConsumerService(settings, log: log, events: events, stop: stop).run() }
    let now = events.now
    log.info(
      event: "consumer_finished",
      "stored \(Quantity.count(now.images, "image")), \(Quantity.bytes(now.bytes)), in "
        + Quantity.duration(.now - start)
        + (now.letters > 0 ? "; \(Quantity.count(now.letters, "message")) became dead letters" : ""),
      [
        "images": .of(now.images), "bytes": .of(now.bytes), "unchanged": .of(now.unchanged),
        "replaced": .of(now.replaced), "kept_both": .of(now.keptBoth), "older_versions": .of(now.past),
        "dead_letters": .of(now.letters),
      ])
    return 0
  }

  // MARK: Health

  private func health() -> Int32 {
    guard let port = configuration.http?.port else {
      print("HTTP_PORT is not set: set it to the port of the producer or consumer")
      return 2
    }
    guard let answer = HTTPProbe.get(port: port, path: options.ready ? "/readyz" : "/healthz", seconds: 5) else {
      print("no answer at port \(port): start the producer or consumer with HTTP_PORT=\(port)")
      return 1
    }
    print(answer.body, terminator: "")
    return answer.status == 200 ? 0 : 1
  }

  // MARK: Demo

  private func demo() throws -> Int32 {
    var configuration = configuration
    let folder = options.output ?? "."
    if let input = options.input { configuration.producer.input = input }
    configuration.consumer.bucket = nil
    configuration.consumer.outputPath = joined(folder, "processed_images")
    configuration.consumer.csvPath = joined(folder, "processed_image_data.csv")
    configuration.producer.kafka.onLog = kafkaLog
    configuration.consumer.kafka.onLog = kafkaLog
    // The summary is enough. The steps interest only those who ask for them.
    if options.page { try configuration.checkPage() }
    let demo = try Demo(configuration, servesMetrics: options.page, log: log, stop: stop)
    guard options.page else {
      let result = try demo.run()
      return try stop.isSet ? 1 : report(result, configuration)
    }
    var code: Int32 = 1
    let shown = demo.shown
    try withThreads(stop: stop) { threads in
      // The broker is the demo's own, and all its dead letters are on disk.
      let service = PageService(shown, checks: nil, hasBroker: false, log: log, stop: stop)
      threads.start("page") { try service.run() }
      _ = try demo.run {
        code = try report($0, configuration)
        print(
          "The page stays open at http://localhost:\(shown.page.port) until you press Ctrl-C. Images that you put into "
            + "\(shown.page.input) appear on it.\n")
        // Now, not at the end, also to a pipe.
        fflush(nil)
      }
    }
    return code
  }

  /// Verifies what the demo has stored, and prints a summary.
  /// - Returns: the exit code.
  private func report(_ result: Demo.Result, _ configuration: Configuration) throws -> Int32 {
    let checked = try check(
      VerifiedInputFolder(configuration.producer.input),
      VerifiedFolder(configuration.consumer.outputPath, csvPath: configuration.consumer.csvPath))
    print(summary(result, checked, configuration))
    return checked.result.isClean && result.producer.refused == 0 && result.consumer.letters == 0 ? 0 : 1
  }

  private func summary(_ result: Demo.Result, _ checked: Checked, _ configuration: Configuration) -> String {
    let stored = result.consumer
    let seconds = max(0.001, result.duration / .seconds(1))
    let (rate, perSecond) = (Double(stored.bytes) / seconds, Double(stored.images) / seconds)
    var lines = [
      "",
      "  images     \(Quantity.grouped(stored.images)) transferred"
        + (stored.unchanged > 0 ? ", \(Quantity.grouped(stored.unchanged)) already stored" : "")
        + (result.producer.refused > 0 ? ", \(Quantity.grouped(result.producer.refused)) refused" : ""),
      "  bytes      \(Quantity.bytes(stored.bytes))",
      "  rate       \(Quantity.bytes(Int(rate)))/s, \(Quantity.grouped(Int(perSecond.rounded()))) images/s, "
        + "in \(Quantity.duration(result.duration))",
      "  stored in  \(configuration.consumer.outputPath)",
      "  CSV file   \(configuration.consumer.csvPath)",
    ]
    if checked.result.isClean {
      lines.append(
        "  verified   \(Quantity.count(checked.result.verified, "image")): the same SHA-256 in input, output and CSV file"
      )
    } else {
      lines.append("  NOT VERIFIED: \(checked.faults); \(Quantity.grouped(checked.result.verified)) images are correct")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  func joined(_ folder: String, _ name: String) -> String {
    folder == "." ? name : folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// Logs librdkafka's own lines at a level that follows their syslog level. Above debug level, repetitions are left
  /// out: for a missing topic, librdkafka logs the same line for each partition every second.
  var kafkaLog: @Sendable (Int, String, String) -> Void {
    let log = log.with(component: "librdkafka")
    let repetitions = Repetitions(interval: .seconds(30))
    return { level, facility, message in
      let level: LogLevel = level <= 3 ? .warning : level <= 5 ? .info : .debug
      guard level == .debug || repetitions.note(facility + message) != nil else { return }
      log.log(level, event: "librdkafka_log", message, ["facility": .string(facility)])
    }
  }
}
