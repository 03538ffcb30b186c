package import Platform
package import Telemetry

/// The findings of a repair, counted and passed on as they are found.
package final class RepairReport {
  package private(set) var result = Repair.Result()
  private let stop: StopFlag
  private let report: (Repair.Finding) -> Void

  /// - Parameter stop: checked by `goOn`.
  package init(stop: StopFlag, report: @escaping (Repair.Finding) -> Void) {
    self.stop = stop
    self.report = report
  }

  /// Throws if the run is to stop. Unfinished work is rolled back with its transaction, or repeated by the next run.
  package func goOn() throws { try stop.check("run it again") }

  package func found(_ kind: String, _ text: String, _ details: [(String, LogValue)] = []) {
    report(Repair.Finding(kind: kind, text: text, details: details))
  }

  package func repaired(_ kind: String, _ text: String, _ details: [(String, LogValue)] = []) {
    result.repairs += 1
    found(kind, text, details)
  }

  package func remains(_ kind: String, _ name: String, _ reason: String) {
    result.remaining += 1
    report(Repair.Finding(kind: kind, image: name, text: reason))
  }

  package func addSound() { result.sound += 1 }

  func noteNewCatalog() { result.isCatalogNew = true }
}
