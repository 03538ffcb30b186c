import Audit
import Platform
import Telemetry

/// `audit`: prints its findings, a table, and what it all means.
extension Commands {
  /// Findings of a kind beyond this number are counted, not shown to people. JSON has all of them.
  private static let mostShown = 10

  func audit() throws -> Int32 {
    var configuration = configuration
    if let input = options.input { configuration.producer.input = input }
    if options.output != nil { configuration.consumer.bucket = nil }
    if configuration.consumer.bucket == nil {
      (configuration.consumer.outputPath, configuration.consumer.csvPath) = try outputAndCSV()
    }
    configuration.consumer.kafka.onLog = kafkaLog
    configuration.producer.kafka.onLog = kafkaLog
    var found: [AuditFinding.Kind: Int] = [:]
    let audit = Audit(configuration, sampleSize: options.sample ?? 0, log: log, stop: stop) { [isJSON] finding in
      if isJSON {
        return print(
          Fields.json([
            ("finding", .string(finding.kind.key)), ("name", .string(finding.name)),
            ("text", .string(finding.text)), ("fix", .string(finding.kind.fix)),
          ]))
      }
      found[finding.kind, default: 0] += 1
      if found[finding.kind]! <= Self.mostShown { print("\(finding.kind.key)  \(finding.name): \(finding.text)") }
    }
    let result = try audit.run()
    if isJSON {
      for partition in result.partitions.keys.sorted() { print(Fields.json(fields(partition, of: result))) }
      print(Fields.json(totals(of: result)))
    } else {
      let more = found.values.reduce(0) { $0 + max(0, $1 - Self.mostShown) }
      if more > 0 { print("... and \(Quantity.grouped(more)) more") }
      if !found.isEmpty { print("") }
      print(AuditText(result).text)
    }
    return result.isClean ? 0 : 1
  }

  // MARK: JSON

  private func counts(_ row: AuditTable.Row) -> [(String, LogValue)] {
    AuditTable.Column.allCases.map { ($0.rawValue, .of(row[$0])) }
  }

  private func fields(_ partition: Int32, of result: Audit.Result) -> [(String, LogValue)] {
    let state = result.partitions[partition]!
    return [
      ("partition", .of(partition)), ("first", .of(state.low)), ("end", .of(state.high)),
      ("position", state.position.map { .of($0.next) } ?? .absent),
      ("committed", state.committed.map { .of($0) } ?? .absent),
    ] + counts(result.table.partitions[partition] ?? AuditTable.Row())
  }

  private func totals(of result: Audit.Result) -> [(String, LogValue)] {
    counts(result.table.total) + [
      ("awaiting_receipts", .of(result.awaitingReceipts)), ("sampled", .of(result.sampled)),
      ("ledger", .of(result.hasLedger)), ("output", .of(result.hasOutput)),
      ("producer_runs", .of(result.hasProducer)), ("consumer_runs", .of(result.hasConsumer)),
      ("findings", .of(result.findings.values.reduce(0, +))),
    ]
  }
}
