import Bucket
import Cluster
package import Configuration
import DeadLetters
import Kafka
import Output
package import Platform
import Producer
package import Telemetry
import Wire

/// Answers whether everything arrived, from names, sizes, times and offsets. It reads no image, and no message except
/// dead letters. Producers and consumers may go on working.
///
/// Everything is compared as of one moment for each side, the ledger's first: each image that it has by then is either
/// in the output at the later moment, or behind the stored position.
package final class Audit {
  package struct Result: Sendable {
    package var table = AuditTable()
    package var partitions: [Int32: PartitionState] = [:]
    package var findings: [AuditFinding.Kind: Int] = [:]
    /// Sent images that are stored, and that the producer has yet to read receipts of.
    package var awaitingReceipts = 0
    /// Images of the sample whose bytes are the same in input, output and catalog.
    package var sampled = 0
    /// What was left out, and why.
    package var omissions: [String] = []
    package var hasLedger = false
    package var hasOutput = false
    /// Whether the ledger knows what outputs have confirmed.
    package var hasReceipts = false
    package var hasProducer = false
    package var hasConsumer = false
    package var isClean: Bool { findings.isEmpty }
  }

  let configuration: Configuration
  let producer: ProducerSettings
  let log: Log
  let stop: StopFlag
  private let sampleSize: Int
  private let report: (AuditFinding) -> Void
  var result = Result()
  /// Images in the dead letters that wait to be sent back, by `pathKey`.
  var deadLetters: [[UInt8]: DeadLetterEntry] = [:]
  /// Files that differ from the catalog, by `pathKey`. Those of images that are on the way are left over from a consumer
  /// that was killed while it stored them.
  var unsettled: [[UInt8]: OutputAudit.Finding] = [:]
  private static let mostUnsettled = 10_000

  /// The time without an answer from a broker after which the run fails.
  private static let patience = Duration.seconds(20)

  /// - Parameters:
  ///   - sampleSize: the number of images that are read and compared byte for byte.
  ///   - report: called with each finding as soon as it is found.
  package init(
    _ configuration: Configuration, sampleSize: Int = 0, log: Log, stop: StopFlag,
    report: @escaping (AuditFinding) -> Void
  ) {
    self.configuration = configuration
    var producer = configuration.producer
    if let input = try? InputFolder.path(of: producer.input) { producer.input = input }
    self.producer = producer
    self.sampleSize = sampleSize
    self.log = log
    self.stop = stop
    self.report = report
  }

  /// - Throws: `NothingToCompare` if there is neither a ledger nor an output; `NoBroker`; `LedgerError`, `CatalogError`,
  ///   `UnseenCommits`, `SystemError`, `KafkaError`; `Interruption`.
  package func run() throws -> Result {
    let consumer = configuration.consumer
    let client = try KafkaConsumer(consumer.kafka, topic: consumer.topic)
    defer { client.unsubscribeAndClose() }
    let connection = BrokerConnection(
      client: client, servers: consumer.kafka.values["bootstrap.servers"] ?? "", log: log, patience: Self.patience)
    guard let cluster = try connection.clusterID(stop: stop) else { return try unfinished() }
    let count = try connection.partitionCount(of: consumer.topic, stop: stop) ?? 0
    let topic = TopicReader(client: client, topic: consumer.topic, stop: stop)

    // What is read first is the older state: consumers commit after they have stored, and a message that is gone now
    // cannot be stored later.
    let committed = try committed(topic, count)
    let first = try topic.marks(count)
    let ledger = try openLedger(cluster)
    let output = try openOutput(client)
    defer { output?.files.close() }
    guard ledger != nil || output != nil else {
      throw NothingToCompare(state: producer.stateFolder, output: consumer.outputPath)
    }
    result.hasProducer = try ProducerLock.isHeld(producer, cluster: cluster)
    result.hasConsumer = try output?.hasConsumers() ?? false
    let positions = try output?.positions(of: consumer.topic, cluster: cluster) ?? [:]
    for (partition, last) in try topic.marks(count) {
      result.partitions[partition] = state(
        first[partition]?.low ?? last.low, last.high, committed[partition], positions[partition], output)
      result.table.show(partition)
    }
    if count == 0 { omit("the topic \(consumer.topic), because this cluster does not have it") }
    try readDeadLetters()
    try compare(ledger, output, cluster)
    if let output {
      try reportPositions(topic, count, output, cluster)
      try compareSample(output, ledger == nil ? nil : LedgerAudit(producer, cluster: cluster))
    }
    return result
  }

  /// Compares the two sides, as far as they are there.
  private func compare(_ ledger: LedgerAudit?, _ output: OutputAudit?, _ cluster: String) throws {
    if let output {
      try output.run()
      if output.result.skipsRows { omit("the rest of the CSV file, because too many of its rows differ") }
      for (partition, count) in output.result.storedByPartition {
        result.table.add(.stored, partition: partition, count)
      }
    }
    if let ledger {
      let sent = try SentAudit(audit: self, output: output, cluster: cluster).run(ledger)
      var input = try InputAudit(audit: self, output: output, sent: sent, cluster: cluster)
      try input.run(cluster)
    } else {
      countMessages()
    }
    for finding in unsettled.values.sorted(by: { $0.name < $1.name }) { report(finding) }
    reportDeadLetters()
  }

  func omit(_ text: String) {
    if !result.omissions.contains(text) { result.omissions.append(text) }
  }

  private func unfinished() throws -> Result {
    try stop.check(Self.unfinished)
    return result
  }

  static let unfinished = "not everything was compared"

  func found(_ finding: AuditFinding, partition: Int32?, count: Int = 1) {
    result.findings[finding.kind, default: 0] += 1
    if let column = finding.kind.column { result.table.add(column, partition: partition, count) }
    report(finding)
  }

  // MARK: The two sides

  /// nil if nothing of the input was sent to this cluster, or not from here.
  private func openLedger(_ cluster: String) throws -> LedgerAudit? {
    if let ledger = try LedgerAudit(producer, cluster: cluster) {
      result.hasLedger = true
      result.hasReceipts = producer.receiptsNeeded > 0
      return ledger
    }
    omit(
      "the input, because the ledger in STATE_DIR=\(producer.stateFolder) has nothing of IMAGES_DIR=\(producer.input) and "
        + "TOPIC=\(producer.topic) in this cluster")
    return nil
  }

  private func openOutput(_ client: KafkaConsumer) throws -> OutputAudit? {
    let (path, csv) = (configuration.consumer.outputPath, configuration.consumer.csvPath)
    if let files = try openFiles(client),
      let output = try OutputAudit(
        files, topic: configuration.consumer.topic, sampleSize: sampleSize, stop: stop,
        report: { [unowned self] in foundInOutput($0) })
    {
      result.hasOutput = true
      return output
    }
    if configuration.consumer.bucket == nil { try OutputAudit.checkLoss(output: path, csvPath: csv) }
    omit(
      "the output, because PROCESSED_IMAGES_DIR=\(path) has no catalog"
        + (producer.receiptsNeeded > 0 ? ". What is stored is known from receipts" : ""))
    return nil
  }

  private func openFiles(_ client: KafkaConsumer) throws -> (any StoredFiles)? {
    let consumer = configuration.consumer
    guard let settings = consumer.bucket else {
      let path = consumer.outputPath
      return InputFolder.isOutput(path) ? FolderFiles(path, csvPath: consumer.csvPath) : nil
    }
    guard let files = try BucketFiles(settings, stop: stop) else { return nil }
    let group = consumer.kafka.values["group.id"] ?? ""
    // A user may lack the right to see the group's members. Then there may be some.
    files.isConsumed = { (try? client.members(ofGroup: group, timeout: Self.patience).isEmpty) != true }
    return files
  }

  /// With a ledger, files that may be left over are reported later, unless there are too many of them.
  private func foundInOutput(_ finding: OutputAudit.Finding) {
    let mayBeLeftOver = [.fileUnknown, .fileAltered].contains(finding.fault)
    if result.hasLedger, mayBeLeftOver, unsettled.count < Self.mostUnsettled {
      unsettled[finding.name.pathKey] = finding
    } else {
      report(finding)
    }
  }

  private func report(_ finding: OutputAudit.Finding) {
    found(AuditFinding(.output(finding.fault), finding.name), partition: finding.partition)
  }
}

struct NothingToCompare: Error, CustomStringConvertible {
  let state: String
  let output: String
  var description: String {
    "there is neither a ledger in STATE_DIR=\(state) nor a catalog in PROCESSED_IMAGES_DIR=\(output): set them to the "
      + "folders of a producer or a consumer"
  }
}
