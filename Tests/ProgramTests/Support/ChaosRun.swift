import Glibc
import TestSupport
import Testing

@testable import Platform

/// A run that kills and restarts processes on a seeded schedule while images are dropped into the input folder. It ends
/// with everything stored, or with a list of faults.
final class ChaosRun {
  struct Settings {
    var seed: UInt64
    /// The number of counted kills, of processes that had done some work since their start.
    var kills: Int
    /// Consumers of one output; members of one group, or each in a group of its own.
    var consumers = 1
    /// Members are also suspended, removed and added.
    var isGroup = false
    /// AFTER_SENT=delete, and some files have slow writers.
    var deletesSentFiles = false
    var partitions = 4
    var leastImages = 500
    /// Enough kills for every kind of event to occur.
    var isLong: Bool { kills >= 60 }

    static func number(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }
    /// `CHAOS_SEED`, or a random seed.
    static var anySeed: UInt64 { number("CHAOS_SEED").map { UInt64($0) } ?? UInt64.random(in: 1...999_999) }
    /// `CHAOS_KILLS`, or the given number.
    static func kills(or number: Int) -> Int { Self.number("CHAOS_KILLS") ?? number }
  }

  let folder: TestFolder
  let settings: Settings
  let images: ChaosImages
  private(set) var faults: [String] = []
  private let embedded: EmbeddedBrokerProcess?
  /// Only for the embedded broker.
  private let backlog: ChaosBacklog?
  let broker: Broker
  private let producer: ChaosVictim
  private var consumers: [ChaosVictim] = []
  private let consumerCount: Int
  private let realBroker: ChaosBroker?
  private var fencings = 0
  private let begun = ContinuousClock.now

  /// Without progress for this long, the run is stuck. A suspended lock holder and a killed broker delay the others.
  private static let patience = Duration.seconds(120)

  init(_ settings: Settings) throws {
    self.settings = settings
    let folder = TestFolder()
    self.folder = folder
    if let servers = Broker.realServers {
      (embedded, backlog) = (nil, nil)
      broker = try Broker(real: servers, partitions: settings.partitions)
      images = try ChaosImages(
        in: folder, seed: settings.seed, .init(largest: 5_000_000, mostWaiting: 300, mostWaitingBytes: 30_000_000))
      realBroker = ChaosBroker.Commands.environment.map {
        ChaosBroker($0, in: folder, seed: settings.seed, Self.brokerTemper(nodes: $0.nodes))
      }
    } else {
      let process = try EmbeddedBrokerProcess(in: folder, seed: settings.seed, partitions: settings.partitions)
      (embedded, broker, realBroker) = (process, process.broker, nil)
      backlog = ChaosBacklog(in: folder, process.broker)
      // It keeps 5 MiB per partition. The backlog is kept far below, although killed producers send again what they had
      // begun. All segments of an image go to one partition.
      images = try ChaosImages(
        in: folder, seed: settings.seed, .init(largest: 300_000, mostWaiting: 200, mostWaitingBytes: 1_500_000))
    }
    images.hasSlowWriters = settings.deletesSentFiles
    let environment = Self.environment(broker, settings, isReal: embedded == nil)
    let isReal = embedded == nil
    // The embedded broker admits the first member of a group after 3 s. To have a consumer at work at all times, each
    // is alone in its group, a new one at each start. All read everything, and the catalog's fence decides.
    consumerCount = settings.isGroup || isReal ? settings.consumers : max(3, settings.consumers)
    producer = ChaosVictim(
      "producer", seed: settings.seed, Self.producerTemper, marker: "event=image_sent ", isBusy: { $1 > 0 },
      launch: { try Program(["producer"], in: folder, environment: environment) })
    for number in 1...consumerCount {
      var starts = 0
      let temper = Self.consumerTemper(isReal: isReal, isGroup: settings.isGroup)
      let name = "consumer-\(number)"
      consumers.append(
        ChaosVictim(name, seed: settings.seed, temper, marker: "event=image_stored ", isBusy: Self.isInBatch(folder)) {
          starts += 1
          var environment = environment
          if !isReal, !settings.isGroup { environment["CONSUMER_GROUP"] = "group-\(number)-\(starts)" }
          return try Program(["consumer"], in: folder, environment: environment)
        })
    }
  }

  // MARK: What is likely

  static let producerTemper = ChaosSchedule.Temper(afterStart: 0...250, units: 1...25, atWork: 0...40)

  private static func consumerTemper(isReal: Bool, isGroup: Bool) -> ChaosSchedule.Temper {
    var temper = ChaosSchedule.Temper(units: 1...40, atWork: 0...20)
    if !isReal {
      // A join takes 3 s there, too long to be wasted often.
      (temper.percentAfterStart, temper.afterStart, temper.units) = (10, 0...200, 5...60)
      // The others, each alone in its group, overtake it meanwhile.
      (temper.percentStop, temper.stop) = (40, 1_500...3_500)
    }
    if isGroup {
      // Longer than the session, after which others get its partitions. On the embedded broker, they join in 3 s.
      (temper.percentStop, temper.stop) = (25, isReal ? 7_000...12_000 : 9_000...13_000)
      (temper.percentRemove, temper.removed) = (30, 0...8_000)
    }
    return temper
  }

  private static func brokerTemper(nodes: Int) -> ChaosSchedule.Temper {
    // A single broker stops everything else.
    ChaosSchedule.Temper(
      percentAfterStart: 30, afterStart: 500...5_000, units: nodes > 1 ? 30...200 : 100...500,
      atWork: 0...200,
      percentRest: 60,
      rest: nodes > 1 ? 500...6_000 : 1...1_000)
  }

  private static func environment(_ broker: Broker, _ settings: Settings, isReal: Bool) -> [String: String] {
    broker.environment([
      "AFTER_SENT": settings.deletesSentFiles ? "delete" : "keep",
      // The log shows whether a process has done some work.
      "LOG_LEVEL": "debug", "PROGRESS_SECONDS": "0",
      // Files are moved in complete, or stay open until they are.
      "SETTLE_MS": "0",
      // Small batches and segments: more transactions and messages give more moments to be killed in.
      "BATCH_IMAGES": "7", "SEGMENT_BYTES": isReal ? "250000" : "20000", "SEGMENT_TIMEOUT": "600",
      "IN_FLIGHT_BYTES": isReal ? "16777216" : "1000000",
      // A restarted broker should be found at once.
      "KAFKA_RECONNECT_BACKOFF_MAX_MS": "500",
    ])
  }

  /// Whether a consumer has written images of a batch and not yet placed all of them.
  static func isInBatch(_ folder: TestFolder, output: String = TestFolder.output) -> (Program, Int) -> Bool {
    var incoming: (process: pid_t, path: String)?
    return { program, _ in
      if incoming?.process != program.process {
        // It logs its slot of the output at the start.
        let slot = program.output.split(separator: "slot=").dropFirst().first?.prefix { $0.isNumber } ?? ""
        incoming = (
          program.process, "\(folder.path)/\(output)/.image-pipeline/consumer-\(slot)/incoming"
        )
      }
      return (try? Folder.open(incoming!.path).names().isEmpty) == false
    }
  }

  // MARK: The run

  private var victims: [ChaosVictim] { [producer] + consumers }
  private var work: Int { victims.reduce(0) { $0 + $1.done } }
  private var counted: Int { victims.reduce(realBroker?.tally.counted ?? 0) { $0 + $1.tally.counted } }

  /// Each kind of process has its share of the kills, so that a fast one does not get them all.
  private var isEnough: Bool {
    let consumers = consumers.map(\.tally)
    return counted >= settings.kills && images.all.count >= settings.leastImages
      && consumers.sum(\.counted) >= settings.kills * 2 / 5 && producer.tally.counted >= settings.kills / 4
      && (realBroker.map { $0.tally.counted >= settings.kills / 20 } ?? true)
      // Kills during a recovery.
      && (!settings.isLong || consumers.sum(\.early) > 0 && producer.tally.early > 0)
      && (!settings.isLong || realBroker.map { $0.tally.recovering > 0 } ?? true)
      && (!settings.isGroup
        || consumers.sum(\.stops) >= settings.kills / 6 && consumers.sum(\.removals) >= settings.kills / 12)
  }

  /// Runs to the end and checks the result.
  func run() throws {
    try torment()
    if faults.isEmpty { try settle() }
    if faults.isEmpty { faults += try ChaosVerdict(self).faults() }
    fencings = try ChaosVerdict(self).fencings()
    if settings.isLong, settings.isGroup, fencings == 0 {
      faults.append("no consumer was ever overtaken by another one")
    }
    print(report)
  }

  private func torment() throws {
    var (lastWork, lastWorkAt) = (0, ContinuousClock.now)
    while !isEnough, faults.isEmpty {
      images.look()
      // A running producer sends only what is there; a killed one would send it again.
      if backlog?.isFull != true {
        try images.fill()
        try producer.step()
      }
      for consumer in consumers { try consumer.step() }
      try realBroker?.step(work: work)
      embedded?.step()
      faults += victims.flatMap(\.faults) + (realBroker?.faults ?? [])
      if work > lastWork { (lastWork, lastWorkAt) = (work, ContinuousClock.now) }
      if ContinuousClock.now - lastWorkAt > Self.patience { faults.append(stuck("nothing is done any more")) }
      pause(.milliseconds(2))
    }
  }

  /// Lets all processes run until everything is stored, and ends them.
  private func settle() throws {
    try realBroker?.spare()
    embedded?.spare()
    backlog?.end()
    for victim in victims { try victim.spare() }
    try images.finishWriting()
    images.recount()
    // Most of this time passes while killed brokers are still starting.
    let isStored = eventually(within: .seconds(180)) {
      images.look()
      if images.waiting == 0 { images.recount() }
      return images.waiting == 0
    }
    guard isStored else {
      let verdict = ChaosVerdict(self)
      faults += try verdict.logs() + verdict.whereabouts(of: Array(images.missing.prefix(5)))
      faults.append("the topic has, by partition: \(try broker.ranges(broker.topic))")
      return faults.append(stuck("\(images.waiting) images are not stored: \(images.missing.prefix(10))"))
    }
    faults += producer.end().map { [$0] } ?? []
    try finishSending()
    faults += consumers.compactMap { $0.end() }
    faults += victims.flatMap(\.faults)
    // Segments of a batch that was killed after its last segment are nobody's by now.
    let isClean = eventually(within: .seconds(60)) {
      let last = try Program.storeAll(in: folder, broker, ["SEGMENT_TIMEOUT": "1"])
      if last.stored != 0 { faults.append("a last consumer had something to store:\n\(last.output)") }
      return try !faults.isEmpty || folder.leftovers().isEmpty
    }
    if !isClean { faults.append("left over: \(try folder.leftovers())") }
  }

  /// The ledger knows all images, whatever was killed, and consumers confirm all of them.
  private func finishSending() throws {
    let environment = Self.environment(broker, settings, isReal: embedded == nil)
    let rest = try Program(["producer", "--once", "--until-stored"], in: folder, environment: environment)
    // Another consumer confirms the images that a killed one has stored. Until then they may count as lost.
    if rest.exitCode(within: .seconds(120)) != 0 || rest.sent != rest.output.log.events("image_lost").count {
      faults.append("a last producer had something to send:\n\(rest.output)")
    }
  }

  private func stuck(_ what: String) -> String {
    what + "\n"
      + victims.map { "\($0.name): \($0.program?.output.suffix(1_500) ?? "not running")" }.joined(separator: "\n")
  }

  // MARK: What it was

  var place: String {
    if let embedded { return "the embedded broker (hung \(embedded.count) times), images below 1 MB" }
    guard let commands = ChaosBroker.Commands.environment else { return "a real broker, which is not killed" }
    return commands.nodes > 1 ? "\(commands.nodes) real brokers, killed too" : "a real broker, killed too"
  }

  private var report: String {
    var lines = ["CHAOS_SEED=\(settings.seed): \(counted) kills counted, on \(place)"]
    for (name, tally) in victims.map({ ($0.name, $0.tally) }) + (realBroker.map { [("broker", $0.tally)] } ?? []) {
      lines.append(
        "  \(name): \(tally.counted) kills, \(tally.early) more with nothing done yet"
          + (tally.recovering > 0 ? ", \(tally.recovering) of them while it recovered" : "")
          + (tally.stops + tally.removals > 0 ? ", \(tally.stops) stops, \(tally.removals) removals" : ""))
    }
    let (sent, stored) = (producer.peakMemory >> 20, (consumers.map(\.peakMemory).max() ?? 0) >> 20)
    lines.append(
      "  \(fencings) times overtaken by another consumer; "
        + (backlog.map { "\($0.most) messages in a partition at the most; " } ?? "")
        + "most memory: producer \(sent) MB, consumer \(stored) MB")
    lines.append(
      "  \(images.all.count) images in \(images.dropped) versions, \(images.bytes >> 20) MB, in \((ContinuousClock.now - begun).components.seconds) s; "
        + (faults.isEmpty ? "all exact" : "\(faults.count) FAULTS"))
    return lines.joined(separator: "\n")
  }
}

extension [ChaosVictim.Tally] {
  func sum(_ count: (Element) -> Int) -> Int { reduce(0) { $0 + count($1) } }
}
