import Output
import Platform
import Producer
import Wire

/// Finds files of the input that were not sent.
struct InputAudit {
  private unowned let audit: Audit
  private let output: OutputAudit?
  /// Files that appeared, or were sent, this recently are being dealt with if a producer is running.
  private let busySince: Int64
  private let isRunning: Bool
  private let isSending: Bool
  private var read = 0

  /// In ms.
  private static let busyTime: Int64 = 60_000
  /// At most this many files are read: after the input was copied, all of them have other times.
  private static let mostRead = 1_000

  init(audit: Audit, output: OutputAudit?, sent: SentAudit, cluster: String) throws {
    self.audit = audit
    self.output = output
    busySince = WallClock.milliseconds - Self.busyTime
    // It may have been started since the audit began.
    isRunning = try audit.result.hasProducer || ProducerLock.isHeld(audit.producer, cluster: cluster)
    isSending = isRunning && sent.newest > busySince
  }

  mutating func run(_ cluster: String) throws {
    // Newer than the state in which the output was compared, so that it has what was sent in between.
    guard let ledger = try LedgerAudit(audit.producer, cluster: cluster) else { return }
    let (settings, stop) = (audit.producer, audit.stop)
    let filter = settings.filter
    let sentFolder = try FileStatus.of(settings.sentFolder)
    let walker = try FolderWalker(root: settings.input) { path in
      let full = settings.input + "/" + path
      guard filter.enters(path), !InputFolder.isOutput(full) else { return false }
      guard let sentFolder, let folder = (try? FileStatus.of(full)) ?? nil else { return true }
      return !folder.isSameFile(as: sentFolder)
    }
    while let entry = walker.next() {
      try stop.check(Audit.unfinished)
      let entry = try entry.get()
      let path = String(decoding: entry.relativePath, as: UTF8.self)
      guard entry.kind != FileStatus.Kind.folder, filter.accepts(path) else { continue }
      if entry.string == nil {
        if entry.kind == .regular { refuse(path) }
      } else if let status = try FileStatus.of(settings.input + "/" + path), status.kind == .regular {
        try look(at: path, status, ledger)
      }
    }
  }

  /// Reports a file whose name is not UTF-8. No producer sends it.
  private func refuse(_ path: String) {
    audit.result.table.add(.offered, partition: nil)
    audit.found(
      AuditFinding(.notSent, audit.producer.namePrefix + path, "its name is not UTF-8, so it cannot be sent"),
      partition: nil)
  }

  private mutating func look(at path: String, _ status: FileStatus, _ ledger: LedgerAudit) throws {
    let name = audit.producer.namePrefix + path
    let record = try ledger.record(path, status)
    audit.result.table.add(.offered, partition: record.partition)
    let fault: AuditFinding.Fault
    switch record {
    case .sent: return
    case .otherVersion(let size, let digest, _):
      guard try size != status.size || !isSame(path, digest) else { return }
      fault = .changedSinceSent
    case .absent:
      fault = try output?.storedSize(name) == status.size ? .notInLedger : .notSent
    }
    let isYoung = max(status.modified, status.changed) / 1_000_000 > busySince
    if isSending || isRunning && isYoung {
      audit.result.table.add(.onTheWay, partition: nil)
    } else {
      audit.found(AuditFinding(fault, name), partition: record.partition)
    }
  }

  /// Whether a file with another time has the bytes that were sent. Beyond `mostRead` files, the size has to do.
  private mutating func isSame(_ path: String, _ digest: Digest) throws -> Bool {
    read += 1
    guard read <= Self.mostRead else { return true }
    return try audit.digestOfInput(path).map { $0 == digest } ?? true
  }
}
