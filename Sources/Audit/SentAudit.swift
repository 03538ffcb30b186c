import Output
import Platform
import Producer
import Telemetry
import Wire

/// Finds out what became of each image that the ledger has.
final class SentAudit {
  private unowned let audit: Audit
  private let output: OutputAudit?
  private let cluster: String
  /// When the broker acknowledged the newest image, in ms since 1970.
  private(set) var newest: Int64 = 0
  private var suspects: [(image: LedgerAudit.SentImage, fate: Fate)] = []

  /// More than these are not looked at twice.
  private static let mostSuspects = 10_000

  private enum Fate {
    case stored, unchanged, onTheWay
    case deadLetter
    case faulty(AuditFinding.Fault)
  }

  init(audit: Audit, output: OutputAudit?, cluster: String) {
    self.audit = audit
    self.output = output
    self.cluster = cluster
  }

  /// To be called after the output was audited.
  func run(_ ledger: LedgerAudit) throws -> SentAudit {
    try ledger.each { image in
      try audit.stop.check(Audit.unfinished)
      newest = max(newest, image.acknowledged)
      audit.result.table.add(.sent, partition: image.partition)
      let fate = try fate(of: image)
      if case .faulty = fate, suspects.count < Self.mostSuspects {
        suspects.append((image, fate))
      } else {
        count(image, fate)
      }
    }
    try settleSuspects()
    return self
  }

  private func name(of image: LedgerAudit.SentImage) -> String { audit.producer.namePrefix + image.path }

  private func fate(of image: LedgerAudit.SentImage) throws -> Fate {
    var absence = AuditFinding.Fault.imageMissing
    if let output {
      switch try output.holding(name(of: image), image.digest, partition: image.partition, offset: image.offset) {
      case .stored(let isUnchanged): return isUnchanged ? .unchanged : .stored
      case .otherVersion: absence = .imageReplaced
      case .absent: break
      }
    } else if image.state == .confirmed {
      return .stored
    }
    if image.state == .deadLetter || audit.deadLetters[name(of: image).pathKey] != nil { return .deadLetter }
    // A running producer sends it at once. It also marks an image like that while it sends a newer version.
    if image.state == .lost { return audit.result.hasProducer ? .onTheWay : .faulty(.imageLost) }
    if image.state == .gone { return .faulty(.imageLost) }
    guard image.offset >= 0 else {
      // An older version of the program did not record where the message is.
      let isAllRead = output != nil && audit.result.partitions.values.allSatisfy { $0.unread == 0 }
      return isAllRead ? .faulty(absence) : .onTheWay
    }
    guard let partition = audit.result.partitions[image.partition] else { return .faulty(.imageLost) }
    switch partition.passage(of: image.offset) {
    case .unread: return .onTheWay
    // Without the output, the consumers may have stored it, and their receipt may be on its way.
    case .lost: return output == nil && image.offset < partition.high ? .onTheWay : .faulty(.imageLost)
    case .passed:
      // Its row shows that it was stored. That has been reported.
      return output?.isWithoutEntry(name(of: image)) == true ? .stored : .faulty(absence)
    }
  }

  private func count(_ image: LedgerAudit.SentImage, _ fate: Fate) {
    switch fate {
    case .stored, .unchanged:
      if case .unchanged = fate { audit.result.table.add(.unchanged, partition: image.partition) }
      if output == nil { audit.result.table.add(.stored, partition: image.partition) }
      if image.state == .waiting, audit.producer.receiptsNeeded > 0 { audit.result.awaitingReceipts += 1 }
      audit.deadLetters[name(of: image).pathKey] = nil
    case .onTheWay:
      audit.result.table.add(.onTheWay, partition: image.partition)
      audit.unsettled[name(of: image).pathKey] = nil
    case .deadLetter:
      guard audit.deadLetters[name(of: image).pathKey] == nil else { return }
      audit.found(AuditFinding(.deadLetter, name(of: image)), partition: image.partition)
    case .faulty(let fault): audit.found(AuditFinding(fault, name(of: image)), partition: image.partition)
    }
  }

  /// Looks at the suspects in the present ledger. If an image, or a newer version of it, was sent since the audit began, it
  /// is on the way.
  private func settleSuspects() throws {
    guard !suspects.isEmpty else { return }
    let present = try LedgerAudit(audit.producer, cluster: cluster)
    for (image, fate) in suspects {
      let now = try present?.image(image.path)
      let isSame = now.map { $0.digest == image.digest && $0.offset == image.offset } ?? true
      count(image, isSame ? fate : .onTheWay)
    }
  }
}
