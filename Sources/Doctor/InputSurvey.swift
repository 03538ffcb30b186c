import Configuration
import Glibc
import Platform
import Producer
import Telemetry
import Wire

/// The contents of the input folder, counted as the producer would take them. Pure: a walk adds the entries.
struct InputSurvey {
  private(set) var images = 0
  private(set) var bytes = 0
  private(set) var largest: (name: String, bytes: Int)?
  private(set) var folders = 1
  /// Entries of any kind.
  private(set) var entries = 0
  /// The walk ended before it had seen the whole folder.
  var isCut = false

  /// The number of entries of each kind, with the first one as an example.
  private(set) var unreadable: (count: Int, first: SystemError)?
  private(set) var unsendable: (count: Int, first: String)?
  private(set) var early: (count: Int, first: String)?
  /// Files that may be open for writing: the kernel does not tell whether they are.
  private(set) var uncertain: (count: Int, first: String)?
  private(set) var outputs: [String] = []
  private(set) var tally = FileTally()

  private let filter: FileFilter
  /// In ns since 1970.
  private let now: Int64
  /// A file's time counts as in the future if it is further ahead than this, in ns.
  private static let slack: Int64 = 60_000_000_000

  init(filter: FileFilter, now: Int64) {
    self.filter = filter
    self.now = now
  }

  mutating func addFolder(_ path: String) {
    entries += 1
    tally.add(path, .folder, by: filter)
    if filter.enters(path) { folders += 1 }
  }

  mutating func addOther() { entries += 1 }

  mutating func addOutput(_ path: String) { outputs.append(path) }

  /// A name that is not UTF-8.
  mutating func addUnsendable(_ bytes: [UInt8]) {
    entries += 1
    let readable = String(decoding: bytes, as: UTF8.self)
    if filter.accepts(readable) { note(unsendable: readable) }
  }

  private mutating func note(unsendable name: String) {
    unsendable = ((unsendable?.count ?? 0) + 1, unsendable?.first ?? name)
  }

  mutating func addFailure(_ error: SystemError) {
    entries += 1
    unreadable = ((unreadable?.count ?? 0) + 1, unreadable?.first ?? error)
  }

  /// - Returns: true if it is an image, so that its size and its rights matter.
  mutating func addFile(_ path: String) -> Bool {
    entries += 1
    guard !path.lastComponent.hasPrefix(Canary.prefix) else { return false }
    let verdict = filter.verdict(path)
    tally.add(path, verdict)
    guard verdict == .image else { return false }
    guard path.utf8.count > ImageName.longestName else { return true }
    note(unsendable: String(path.prefix(60)) + "...")
    return false
  }

  mutating func addImage(_ path: String, _ status: FileStatus, unreadable error: SystemError?) {
    if let error {
      entries -= 1
      return addFailure(error)
    }
    images += 1
    bytes += status.size
    if status.size > largest?.bytes ?? -1 { largest = (path, status.size) }
    if status.modified > now + Self.slack { early = ((early?.count ?? 0) + 1, early?.first ?? path) }
  }

  mutating func addUncertain(_ path: String) {
    uncertain = ((uncertain?.count ?? 0) + 1, uncertain?.first ?? path)
  }

  // MARK: Findings

  /// - Parameter afterSent: what happens to files that were sent. If they are not kept, an empty folder is normal.
  func findings(_ extensions: [String], afterSent: AfterSentAction) -> [Finding] {
    [amount]
      + [passing(extensions, afterSent), unreadableFiles, unsendableNames, future, uncertainFiles(afterSent)]
      .compactMap { $0 }
      + outputFindings
  }

  private var amount: Finding {
    let cut = isCut ? ", among the first \(Quantity.grouped(entries)) entries" : ""
    let most = largest.map { ", the largest \(Quantity.bytes($0.bytes))" } ?? ""
    return .ok(
      "images",
      "\(Quantity.count(images, "image")), \(Quantity.bytes(bytes))\(most), in \(Quantity.count(folders, "folder"))\(cut)"
        + (tally.leftAlone > 0
          ? "; \(Quantity.count(tally.leftAlone, "hidden, unfinished or system file")) ignored" : "")
        + (filter.hasPatterns ? "; \(Quantity.grouped(tally.excluded)) excluded by IMAGE_EXCLUDE" : ""))
  }

  private func passing(_ extensions: [String], _ afterSent: AfterSentAction) -> Finding? {
    guard tally.passedBy > 0 else {
      guard images == 0, unreadable == nil, unsendable == nil, afterSent == .keep else { return nil }
      return .note(
        "nothing_to_send", "there is nothing to send", "put images into the folder, or set IMAGES_DIR to their folder")
    }
    return .note(
      "extensions_skipped",
      "skipped because of their extension: \(Quantity.count(tally.passedBy, "file")) (\(tally.named))",
      "if these are images: IMAGE_EXTENSIONS=\(tally.extensions(besides: extensions)), or * for every file")
  }

  private var unreadableFiles: Finding? {
    guard let unreadable else { return nil }
    let (uid, gid) = HostIdentity.userAndGroup
    let isOfRights = [EACCES, EPERM].contains(unreadable.first.code)
    return .problem(
      "files_unreadable",
      "files and folders that cannot be read: \(Quantity.grouped(unreadable.count)), the first: "
        + unreadable.first.summary,
      cure: isOfRights
        ? "chmod -R a+rX IMAGES_DIR, or give them to uid \(uid), gid \(gid)"
        : unreadable.first.cure ?? "look at the disk")
  }

  private var unsendableNames: Finding? {
    unsendable.map {
      .problem(
        "names_refused",
        "cannot be sent because of the name (not UTF-8, or longer than \(ImageName.longestName) bytes): "
          + "\(Quantity.count($0.count, "file")), the first: \($0.first)",
        cure: "rename them: shorter, and in UTF-8 (convmv -f latin1 -t utf8 -r --notest IMAGES_DIR)")
    }
  }

  private var future: Finding? {
    early.map {
      .note(
        "times_in_future",
        "modified in the future, according to their times: \(Quantity.count($0.count, "file")), the first: \($0.first)",
        "synchronise the clocks of this machine and of the one that writes there with NTP; or touch the files")
    }
  }

  /// - Parameter afterSent: `keep` changes no file, so it does not need to know whether a file is open.
  private func uncertainFiles(_ afterSent: AfterSentAction) -> Finding? {
    guard afterSent != .keep else { return nil }
    return uncertain.map {
      .note(
        "open_files_unknown",
        "AFTER_SENT=\(afterSent.rawValue) waits ten times SETTLE_MS if the kernel does not report whether a file is open: "
          + "\(Quantity.count($0.count, "file")), the first: \($0.first)",
        "run the producer as the user who owns the files (in compose: PIPELINE_UID); network file systems never report it"
      )
    }
  }

  private var outputFindings: [Finding] {
    guard let first = outputs.first else { return [] }
    return [
      .note(
        "output_skipped",
        "it contains an output, which is skipped: \(first)\(outputs.count > 1 ? ", and \(outputs.count - 1) more" : "")",
        "this is no fault; to send its files, set IMAGES_DIR to it and let the consumer store elsewhere")
    ]
  }
}
