import Platform
import Synchronization
import Telemetry

/// The events of the input folder, as scans and inotify report them. Each event is counted and logged in one place.
final class InputEvents: Sendable {
  private let log: Log
  private let health: Health
  private let mentions: FirstMentions
  private let scans = Mutex((tally: FileTally(), troubles: ScanTroubles()))

  init(log: Log, health: Health, mentions: FirstMentions) {
    self.log = log
    self.health = health
    self.mentions = mentions
  }

  /// The tally of the last scan, and the problems that keep images from being found.
  var now: (tally: FileTally, troubles: ScanTroubles) { scans.withLock { $0 } }

  func refusedName(_ bytes: [UInt8]) {
    let name = String(decoding: bytes, as: UTF8.self)
    guard noteTrouble("name \(bytes)") else { return }
    log.error(
      event: "name_refused",
      "not sent: its name is not UTF-8, which Kafka keys and JSON have to be; rename it", ["image": .string(name)])
  }

  func unreadableFolder(_ error: SystemError) {
    guard noteTrouble("folder \(error)") else { return }
    log.error(
      event: "folder_unreadable", "reading a folder failed: \(error)", ["error": .name(of: error)])
  }

  /// Counts a problem that keeps images from being found.
  /// - Returns: whether to log it.
  private func noteTrouble(_ text: String) -> Bool {
    scans.withLock { $0.troubles.note(text) } && mentions.add(text)
  }

  /// A scan of the whole input is complete. Problems that it did not meet again have passed.
  func scanEnded() { scans.withLock { $0.troubles.scanEnded() } }

  /// Reports what a scan of the whole input has counted.
  func scanned(_ tally: FileTally, extensions: [String]) {
    scans.withLock { $0.tally = tally }
    guard tally.isFruitless, mentions.add("nothing matches") else { return }
    log.warning(
      event: "nothing_matches",
      tally.passedBy > 0
        ? "no file has one of the IMAGE_EXTENSIONS; if the other files are images, set IMAGE_EXTENSIONS="
          + "\(tally.extensions(besides: extensions)), or * for every file"
        : "IMAGE_EXCLUDE matches every file, so nothing is sent; correct its patterns",
      [
        "passed_by": .of(tally.passedBy), "passed_by_extensions": .of(tally.named),
        "excluded": .of(tally.excluded),
      ])
  }

  /// The input itself cannot be scanned, for example because it is not mounted at the moment.
  func unreadable(_ error: SystemError) {
    health.trouble(.input, "\(error)")
    unreadableFolder(error)
  }

  func readable() { health.well(.input) }

  func skippedOutput(_ path: String) {
    guard mentions.add("output " + path) else { return }
    log.info(
      event: "output_skipped", "not entered: a consumer stores into this folder", ["folder": .string(path)])
  }

  func skippedLink(_ path: String) {
    guard mentions.add("link " + path) else { return }
    log.info(event: "link_skipped", "not entered: a symbolic link to a folder", ["folder": .string(path)])
  }

  func noEvents(_ error: SystemError) {
    guard mentions.add("events \(error.code)") else { return }
    log.warning(
      event: "inotify_unavailable",
      "inotify is unavailable for some folders; falling back to periodic scans: \(error)", ["error": .name(of: error)])
  }
}
