import Telemetry

/// Reports images that arrived under the name of another image: each one at debug level, and one info line a minute for
/// each kind, however many there are.
final class SameNameNotices: Sendable {
  private let log: Log
  private let repetitions = Repetitions(interval: .seconds(60))

  init(log: Log) { self.log = log }

  /// - Parameter total: number of replaced images so far.
  func replaced(_ names: [String], total: Int) {
    guard let last = names.last else { return }
    for name in names {
      log.debug(event: "image_replaced_each", "another image of the same name was replaced", ["image": .string(name)])
    }
    guard repetitions.note("replaced") != nil else { return }
    log.info(
      event: "image_replaced",
      "an image was replaced by another one of the same name; to keep both, set SAME_NAME=keep-both here or NAME_PREFIX at "
        + "each producer",
      ["image": .string(last), "replaced": .of(total)])
  }

  /// - Parameters:
  ///   - images: names as sent and as stored.
  ///   - total: number of such images so far.
  func keptBoth(_ images: [(name: String, storedAs: String)], total: Int) {
    guard let last = images.last else { return }
    for image in images {
      log.debug(
        event: "image_kept_both_each", "an image was stored under another name",
        ["image": .string(image.name), "name": .string(image.storedAs)])
    }
    guard repetitions.note("kept") != nil else { return }
    log.info(
      event: "image_kept_both", "another image has the same name; both are kept",
      [
        "image": .string(last.name), "name": .string(last.storedAs), "kept_both": .of(total),
      ])
  }
}
