import Configuration
import Kafka
import Platform
import Telemetry

/// Checks the folder of the ledger.
enum StateCheck {
  /// The size that the ledger's log grows to, with some reserve, in bytes.
  private static let least = 16 << 20

  static func look(_ settings: ProducerSettings, _ report: DoctorReport) {
    let path = settings.stateFolder
    let trial = FolderTrial.of(path)
    report.add(trial.findings(path, "STATE_DIR", keeps: "the ledger, so that everything is sent again,"))
    if let space = trial.space {
      report.add(DiskCheck(place: "disk of STATE_DIR", space: space, least: least).findings())
    }
    report.add(DatabaseCheck.ledger(in: path).finding())
    guard let folder = try? Folder.open(path), let names = try? folder.names() else { return }
    let locks = LockTable.now()
    let anyDevice = trial.fileSystem == .btrfs || trial.fileSystem == .overlay
    let held = names.count { name in
      guard name.hasPrefix("producer-"), name.hasSuffix(".lock"), let status = (try? folder.status(name)) ?? nil else {
        return false
      }
      return locks.holder(of: status, anyDevice: anyDevice) == .one
    }
    report.add(
      .ok(
        "users",
        "\(Quantity.count(held, "producer")) \(held == 1 ? "is" : "are") using it, as far as this process can see"))
  }
}
