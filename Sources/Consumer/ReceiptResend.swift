import Bucket
import Cluster
package import Configuration
import Kafka
import Output
package import Platform
package import Telemetry
import Wire

/// Sends receipts for all that is stored now, for a topic of receipts that was lost. It reads the catalog, or the log
/// of a bucket, next to working consumers.
///
/// The receipts of the images have an empty range: they say nothing about which messages were dealt with. A last receipt
/// for each partition does, so that nothing counts as lost before its image is confirmed.
package final class ReceiptResend {
  private let settings: ConsumerSettings
  private let log: Log
  private let stop: StopFlag
  private let report: (String) -> Void

  package struct Counts: Sendable {
    package var images = 0
    /// Images without a receipt, because the file is missing or has another size.
    package var missing = 0
    package var partitions = 0
    /// Messages that the broker has acknowledged.
    package var receipts = 0
  }

  package enum Outcome: Sendable {
    case sent(Counts)
    /// The output has no catalog.
    case noOutput
    /// The output has stored nothing of the topic.
    case nothingStored
    /// With the reason.
    case failed(String)
  }

  /// The time without an answer from a broker after which the run fails.
  private static let patience = Duration.seconds(20)
  /// How many images of a partition are collected for a receipt.
  private static let mostImages = 1_000

  /// - Parameter report: called with the name of each image whose file is missing or has another size.
  package init(_ settings: ConsumerSettings, log: Log, stop: StopFlag, report: @escaping (String) -> Void) {
    self.report = report
    self.settings = settings
    self.log = log
    self.stop = stop
  }

  /// - Throws: `NoBroker` if no broker answers; `CatalogError`, `SQLiteError`, `KafkaError`.
  package func run() throws -> Outcome {
    guard let files = try openFiles() else { return .noOutput }
    defer { files.close() }
    guard let images = try StoredImages(files) else { return .noOutput }
    let sender = try ReceiptSender(settings.kafka, source: settings.topic, retryDelay: .zero)
    defer { sender.close() }
    let connection = BrokerConnection(
      client: sender.client, servers: settings.kafka.values["bootstrap.servers"] ?? "", log: log,
      patience: Self.patience)
    guard let cluster = try connection.clusterID(stop: stop) else { return .failed(Self.stopped) }
    let positions = try images.positions(settings.topic, cluster: cluster)
    guard !positions.isEmpty else { return .nothingStored }
    var sending = Sending(sender: sender, stop: stop)
    do {
      try sendAll(images, positions, &sending)
      try sending.finish()
    } catch let failure as Failure {
      return .failed(failure.reason)
    }
    return .sent(sending.counts)
  }

  /// nil if the bucket has no output.
  private func openFiles() throws -> (any StoredFiles)? {
    guard let bucket = settings.bucket else { return FolderFiles(settings.outputPath, csvPath: nil) }
    return try BucketFiles(bucket, stop: stop)
  }

  private static let stopped = "stopped before the end"

  private func sendAll(_ stored: StoredImages, _ positions: [Int32: Int64], _ sending: inout Sending) throws {
    func receipt(_ partition: Int32, _ offsets: Range<Int64>, _ images: [Receipt.Image] = []) -> Receipt {
      Receipt(
        output: stored.output, topic: settings.topic, partition: partition, offsets: offsets,
        time: WallClock.milliseconds, images: images)
    }
    var collected: [Int32: [Receipt.Image]] = [:]
    try stored.each(of: settings.topic) { image in
      let partition = image.partition
      guard let next = positions[partition] else { return true }
      guard try stored.hasFile(image) else {
        report(image.name)
        sending.counts.missing += 1
        return true
      }
      collected[partition, default: []].append(
        Receipt.Image(
          offset: next - 1, name: image.sentName, digest: image.digest, length: image.length, outcome: .stored))
      sending.counts.images += 1
      if let full = collected[partition], full.count >= Self.mostImages {
        collected[partition] = nil
        try sending.send(receipt(partition, next..<next, full))
      }
      return true
    }
    for (partition, next) in positions.sorted(by: { $0.key < $1.key }) {
      if let rest = collected[partition] { try sending.send(receipt(partition, next..<next, rest)) }
      try sending.send(receipt(partition, 0..<next))
      sending.counts.partitions += 1
    }
  }

  private struct Failure: Error { let reason: String }

  /// Sends as fast as the broker takes it.
  private struct Sending {
    let sender: ReceiptSender
    let stop: StopFlag
    var counts = Counts()
    private var last: Int64 = 0

    init(sender: ReceiptSender, stop: StopFlag) {
      self.sender = sender
      self.stop = stop
    }

    mutating func send(_ receipt: Receipt) throws {
      for value in receipt.values(ofAbout: ReceiptOutbox.messageBytes) {
        last += 1
        let row = ReceiptOutbox.Row(id: last, key: receipt.key, value: value)
        while true {
          try advance()
          if sender.room > 0, try sender.send(row) { break }
          sender.flush(timeout: .milliseconds(100))
        }
      }
    }

    mutating func finish() throws {
      while !sender.isIdle {
        sender.flush(timeout: .milliseconds(100))
        try advance()
      }
      try advance()
    }

    private mutating func advance() throws {
      if stop.isSet { throw Failure(reason: ReceiptResend.stopped) }
      let (acknowledged, failure) = sender.takeReports()
      counts.receipts += acknowledged.count
      if let error: any Error = failure ?? sender.prepareTopic() {
        throw Failure(reason: KafkaErrorFix.described(error))
      }
      if let waited = sender.waited(at: .now), waited > ReceiptResend.patience {
        throw Failure(reason: sender.brokerTrouble?.description ?? "the broker does not answer")
      }
    }
  }
}
