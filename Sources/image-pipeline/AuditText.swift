import Audit
import Telemetry

/// The result of an audit for people.
struct AuditText {
  private let result: Audit.Result

  init(_ result: Audit.Result) { self.result = result }

  var text: String {
    (table + [""] + verdict + result.omissions.map { "not compared: " + $0 } + [limit]).joined(separator: "\n")
  }

  // MARK: Table

  private var table: [String] {
    var rows = [["partition"] + AuditTable.Column.allCases.map(\.heading)]
    for (partition, row) in result.table.partitions.sorted(by: { $0.key < $1.key }) {
      rows.append(cells("\(partition)", row))
    }
    rows.append(cells("total", result.table.total))
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    return rows.map { row in
      row.indices.map { String(repeating: " ", count: widths[$0] - row[$0].count) + row[$0] }.joined(separator: "  ")
    }
  }

  private func cells(_ name: String, _ row: AuditTable.Row) -> [String] {
    [name] + AuditTable.Column.allCases.map { isKnown($0) || row[$0] > 0 ? Quantity.grouped(row[$0]) : "-" }
  }

  /// Whether a 0 in a column says something. With one side alone, other columns are empty.
  private func isKnown(_ column: AuditTable.Column) -> Bool {
    switch column {
    case .offered, .sent: result.hasLedger
    case .stored: result.hasOutput || result.hasReceipts
    case .unchanged: result.hasLedger && result.hasOutput
    case .missing, .altered, .extra: result.hasOutput
    case .onTheWay, .deadLetters, .lost: true
    }
  }

  // MARK: Meaning

  private var total: AuditTable.Row { result.table.total }

  private var verdict: [String] {
    var lines = result.isClean ? [success] : failure
    if result.awaitingReceipts > 0 {
      lines.append(
        "receipts: the producer has yet to read those of \(Quantity.count(result.awaitingReceipts, "stored image"))"
          + (result.hasProducer ? "" : ". It is not running"))
    }
    if result.sampled > 0 {
      lines.append("sample: \(Quantity.count(result.sampled, "image")) with the same bytes as were sent")
    }
    return lines
  }

  private var success: String {
    let way = total[.onTheWay]
    let unit = result.hasLedger ? "image" : "message"
    if way > 0 {
      let waiting = "nothing is wrong; \(Quantity.count(way, unit)) on the way"
      if result.hasOutput { return waiting + (result.hasConsumer ? "" : ", and no consumer is running") }
      guard result.hasReceipts else {
        return
          "nothing is wrong; \(Quantity.count(way, unit)) sent. Whether they are stored is not known here, because "
          + "RECEIPTS_NEEDED=0 reads no receipts"
      }
      return waiting + " or waiting for receipts"
        + (result.hasProducer ? "" : ", and no producer is running to read them")
    }
    let stored = Quantity.count(total[.stored], "image") + (total[.stored] == 1 ? " is" : " are") + " stored"
    switch (result.hasLedger, result.hasOutput) {
    case (true, true) where total[.sent] == 0: return "nothing is wrong: \(stored), and no file waits to be sent"
    case (true, true): return "everything arrived: \(sent) stored"
    case (true, false): return "everything arrived: \(sent) confirmed by receipts"
    default: return "nothing is wrong: \(stored), and no message is left to read"
    }
  }

  private var sent: String {
    total[.sent] == 1 ? "the 1 sent image is" : "all \(Quantity.count(total[.sent], "sent image")) are"
  }

  private var failure: [String] {
    let kinds = AuditFinding.Kind.allCases.filter { result.findings[$0] != nil }
    var lines = ["NOT everything is as it should be:"]
    var fixes: [String] = []
    for kind in kinds where !fixes.contains(kind.fix) {
      fixes.append(kind.fix)
      for kind in kinds where kind.fix == fixes.last {
        lines.append("  \(Quantity.grouped(result.findings[kind]!)) \(kind.key): \(kind.meaning)")
      }
      lines.append("    to do: " + kind.fix)
    }
    return lines
  }

  /// What only `verify` finds.
  private var limit: String {
    "not compared: the bytes of the images. One that changed while its size and time stayed the same is found by "
      + "image-pipeline verify, which reads all of them"
  }
}

extension AuditTable.Column {
  fileprivate var heading: String {
    switch self {
    case .onTheWay: "on the way"
    case .deadLetters: "dead letters"
    default: rawValue
    }
  }
}
