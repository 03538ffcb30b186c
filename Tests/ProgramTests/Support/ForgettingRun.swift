import TestSupport

@testable import Platform

/// A run in which nothing can be relied on: producer, consumers of two outputs and the broker are killed on a seeded
/// schedule, and the topic loses messages before a consumer that is down has read them. The producer deletes each file
/// that both outputs have confirmed. It needs a real broker.
final class ForgettingRun {
  /// A folder of stored images with its CSV file, and the only consumer of its group.
  struct Output {
    let folder: String
    var csv: String { folder + ".csv" }
    var environment: [String: String] {
      ["PROCESSED_IMAGES_DIR": folder, "CSV_PATH": csv, "CONSUMER_GROUP": "group-of-" + folder]
    }
  }

  let folder = TestFolder()
  let settings: ChaosRun.Settings
  let broker: Broker
  let outputs = [Output(folder: "first"), Output(folder: "second")]
  let images: OfferedImages
  private(set) var faults: [String] = []
  private let producer: ChaosVictim
  private let consumers: [ChaosVictim]
  private let realBroker: ChaosBroker?
  private let deleter: RecordDeleter
  /// Until when the producer is left alone, so that it lives long enough to notice a loss.
  private var sparedUntil = ContinuousClock.now
  private var losses: LineCounter?
  /// How often it was killed just after it had noticed one.
  private var killsAtLoss = 0
  private var coordinatorFailures = 0
  private let begun = ContinuousClock.now

  /// Without progress for this long, the run is stuck.
  private static let patience = Duration.seconds(120)

  init(_ settings: ChaosRun.Settings, on servers: String) throws {
    let (folder, broker) = (folder, try Broker(real: servers, partitions: settings.partitions))
    self.settings = settings
    self.broker = broker
    images = try OfferedImages(in: folder, seed: settings.seed, outputs: outputs.map(\.folder))
    let common = Self.environment(broker)
    producer = ChaosVictim(
      "producer", seed: settings.seed, ChaosRun.producerTemper, marker: "event=image_sent ", isBusy: { $1 > 0 },
      launch: { try Program(["producer"], in: folder, environment: common) })
    consumers = outputs.map { output in
      ChaosVictim(
        output.folder, seed: settings.seed, ChaosSchedule.Temper(units: 1...60, atWork: 0...20),
        marker: "event=image_stored ", isBusy: ChaosRun.isInBatch(folder, output: output.folder),
        launch: { try Program(["consumer"], in: folder, environment: common.merging(output.environment) { $1 }) })
    }
    realBroker = ChaosBroker.Commands.environment.map {
      ChaosBroker($0, in: folder, seed: settings.seed, Self.brokerTemper)
    }
    deleter = try RecordDeleter(
      broker,
      zip(outputs, consumers).map { output, consumer in
        .init(victim: consumer, catalog: folder / output.folder + "/.image-pipeline/catalog.sqlite")
      }, seed: settings.seed)
  }

  private static let brokerTemper = ChaosSchedule.Temper(
    percentAfterStart: 20, afterStart: 500...5_000, units: 200...1_200, atWork: 0...200, percentRest: 60,
    rest: 1...1_000)

  static func environment(_ broker: Broker) -> [String: String] {
    broker.environment([
      "AFTER_SENT": "delete", "RECEIPTS_NEEDED": "2",
      // The log shows whether a process has done some work.
      "LOG_LEVEL": "debug", "PROGRESS_SECONDS": "0",
      // Files are moved in complete.
      "SETTLE_MS": "0",
      // Small batches and segments: more transactions and messages give more moments to be killed in.
      "BATCH_IMAGES": "7", "SEGMENT_BYTES": "50000", "SEGMENT_TIMEOUT": "8", "IN_FLIGHT_BYTES": "4000000",
      // A restarted broker should be found at once.
      "KAFKA_RECONNECT_BACKOFF_MAX_MS": "500",
    ])
  }

  // MARK: The run

  private var victims: [ChaosVictim] { [producer] + consumers }
  private var work: Int { victims.reduce(0) { $0 + $1.done } }
  private var counted: Int { victims.reduce(realBroker?.tally.counted ?? 0) { $0 + $1.tally.counted } }

  private var leastKillsAtLoss: Int { (settings.kills + 30) / 50 }

  /// Each part has its share of the kills.
  private var isEnough: Bool {
    counted >= settings.kills && consumers.allSatisfy { $0.tally.counted >= settings.kills / 5 }
      && producer.tally.counted >= settings.kills / 5
      && (realBroker.map { $0.tally.counted >= settings.kills / 20 } ?? true)
      && deleter.ranges.count >= max(1, settings.kills / 10) && killsAtLoss >= leastKillsAtLoss
  }

  /// Runs to the end and checks the result.
  func run() throws {
    try torment()
    if faults.isEmpty { try settle() }
    let verdict = ForgettingVerdict(self)
    faults += try faults.isEmpty ? verdict.faults() : verdict.logs()
    print(try report(verdict))
  }

  private func torment() throws {
    var (lastWork, lastWorkAt) = (0, ContinuousClock.now)
    while !isEnough, faults.isEmpty {
      try images.fill()
      faults += try images.look()
      // After every second loss, and not for ever, so that there are other kills, too.
      if deleter.step(), deleter.ranges.count % 2 == 1, killsAtLoss < leastKillsAtLoss { spareProducer() }
      let kills = producer.tally.counted
      try producer.step()
      if producer.tally.counted > kills, losses.map({ $0.count > 0 }) == true { killsAtLoss += 1 }
      if producer.program == nil { losses = nil }
      for consumer in consumers { try consumer.step() }
      try realBroker?.step(work: work)
      faults += victims.flatMap(\.faults) + (realBroker?.faults ?? [])
      endSparing()
      if work > lastWork { (lastWork, lastWorkAt) = (work, ContinuousClock.now) }
      if ContinuousClock.now - lastWorkAt > Self.patience { faults.append(stuck("nothing is done any more")) }
      pause(.milliseconds(2))
    }
  }

  /// The producer is to notice this loss. It is killed just afterwards.
  private func spareProducer() {
    producer.isSpared = true
    sparedUntil = .now + .seconds(25)
  }

  private func endSparing() {
    guard producer.isSpared else { return }
    if losses == nil, let program = producer.program { losses = LineCounter(program.outputPath, "event=image_lost ") }
    let hasNoticed = losses.map { $0.advance() > 0 } ?? false
    if hasNoticed || ContinuousClock.now > sparedUntil { producer.isSpared = false }
  }

  /// Lets all processes run until all files are deleted that can be, and ends them.
  private func settle() throws {
    deleter.end()
    producer.isSpared = false
    try realBroker?.spare()
    for victim in victims { try victim.spare() }
    var isStored = awaitStored()
    if !isStored, consumers.contains(where: { $0.program?.hasEvent("group_unanswered") == true }) {
      // Kafka's coordinator of a group may fail after a crash ("No in-memory snapshot") and answer nobody any more.
      coordinatorFailures += 1
      try realBroker?.restart()
      isStored = awaitStored()
    }
    guard isStored else {
      return faults.append(stuck("\(images.waiting.count) files stay: \(images.waiting.prefix(10))"))
    }
    faults += producer.end().map { [$0] } ?? []
    faults += consumers.compactMap { $0.end() } + victims.flatMap(\.faults)
    faults += try finish()
  }

  private func awaitStored() -> Bool {
    eventually(within: .seconds(120), every: .milliseconds(50)) {
      faults += try images.look()
      return images.waiting.isEmpty || !faults.isEmpty
    }
  }

  /// One more run of each side has nothing to do, except to clean up after batches that were killed.
  private func finish() throws -> [String] {
    var faults: [String] = []
    let common = Self.environment(broker)
    let last = try Program(["producer", "--once"], in: folder, environment: common)
    if last.exitCode(within: .seconds(120)) != 0 || last.sent != 0 {
      faults.append("a last producer had something to send:\n\(last.output)")
    }
    for output in outputs {
      let environment = common.merging(output.environment) { $1 }.merging(["SEGMENT_TIMEOUT": "1"]) { $1 }
      let isClean = eventually(within: .seconds(60)) {
        let last = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
        if last.exitCode() != 0 || last.stored != 0 {
          faults.append("a last consumer of \(output.folder) had something to store:\n\(last.output)")
        }
        return try !faults.isEmpty || folder.leftovers().isEmpty
      }
      if !isClean { faults.append("left over: \(try folder.leftovers())") }
    }
    return faults
  }

  private func stuck(_ what: String) -> String {
    what + "\n"
      + victims.map { "\($0.name): \($0.program?.output.suffix(1_500) ?? "not running")" }.joined(separator: "\n")
  }

  // MARK: What it was

  private func report(_ verdict: ForgettingVerdict) throws -> String {
    let seconds = (ContinuousClock.now - begun).components.seconds
    var rows: [(String, String)] = [("killed", "kills at work, and kills at a start or with nothing done yet")]
    for (name, tally) in victims.map({ ($0.name, $0.tally) }) + (realBroker.map { [("broker", $0.tally)] } ?? []) {
      rows.append((name, "\(tally.counted), and \(tally.early)"))
    }
    let storable = images.storable.count
    rows += [
      ("producer killed at a loss", "\(killsAtLoss)"),
      ("failures of Kafka's group coordinator", "\(coordinatorFailures), ended by a restart of the broker"),
      ("deleted from the topic", "\(deleter.ranges.count) ranges, \(deleter.messages) messages, not read by an output"),
      ("offered", "\(images.offered) files, \(storable + images.refused.count) names, \(images.bytes >> 20) MB"),
      ("reported as lost", "\(try verdict.reportedLost()) messages"),
      ("sent again after a loss", "\(try verdict.sentAgain())"),
      ("messages in the topic", "\(try broker.ranges(broker.topic).reduce(0) { $0 + $1.value.upperBound })"),
      ("deleted from the input", "\(images.deleted) files"),
      ("left in the input", "\(images.present.count) files, dead letters: \(images.refused.count)"),
    ]
    for output in outputs {
      let count = try folder.files(output.folder).count
      rows.append(
        ("stored in " + output.folder, "\(count) of \(storable) images, \(verdict.rows(of: output).count) rows"))
    }
    rows.append(("time", "\(seconds) s; " + (faults.isEmpty ? "all exact" : "\(faults.count) FAULTS")))
    let width = rows.map(\.0.count).max() ?? 0
    return "CHAOS_SEED=\(settings.seed): \(counted) kills counted\n"
      + rows.map { "  " + $0.padding(to: width) + "  " + $1 }.joined(separator: "\n")
  }
}

extension String {
  fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
