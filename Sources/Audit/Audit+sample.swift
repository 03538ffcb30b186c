import Glibc
import Output
import Platform
import Producer
import Wire

extension Audit {
  /// Reads the sampled images of the output, and the file that each was sent from if that is still there unchanged.
  func compareSample(_ output: OutputAudit, _ ledger: LedgerAudit?) throws {
    for (name, digest) in output.sampledImages {
      try stop.check(Self.unfinished)
      guard let isSound = try output.isSound(name, digest) else { continue }
      if try isSound && isSentAsStored(name, digest, ledger) {
        result.sampled += 1
      } else {
        found(AuditFinding(.sampleDiffers, name), partition: output.partition(of: name))
      }
    }
  }

  /// False if the file looks as it did when the stored bytes were sent, and has other bytes. Other versions of it are not
  /// compared: they were reported, or are on the way.
  private func isSentAsStored(_ name: String, _ digest: Digest, _ ledger: LedgerAudit?) throws -> Bool {
    let prefix = producer.namePrefix.utf8
    guard let ledger, name.utf8.starts(with: prefix) else { return true }
    let path = String(decoding: name.utf8.dropFirst(prefix.count), as: UTF8.self)
    guard try ledger.image(path)?.digest == digest, let status = try FileStatus.of(producer.input + "/" + path),
      case .sent = try ledger.record(path, status)
    else { return true }
    return try digestOfInput(path).map { $0 == digest } ?? true
  }

  /// The hash of a file in the input; nil if it is gone.
  func digestOfInput(_ path: String) throws -> Digest? {
    do { return try Digest.ofFile(producer.input + "/" + path) } catch let error as SystemError
      where error.code == ENOENT
    {
      return nil
    }
  }
}
