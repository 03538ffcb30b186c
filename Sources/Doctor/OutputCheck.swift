import Configuration
import DeadLetters
import Kafka
import Output
import Platform
import Telemetry
import Wire

/// Checks the folder that images are stored in, and the consumer's own files in it.
struct OutputCheck {
  let settings: ConsumerSettings
  private let path: String
  private let locks = LockTable.now()

  init(_ settings: ConsumerSettings) {
    self.settings = settings
    var trimmed = settings.outputPath
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    path = trimmed
  }

  /// - Parameter backlog: the messages that wait in the topic; nil if not known.
  /// - Returns: the free space, in bytes; nil if not known.
  func look(_ report: DoctorReport, backlog: Backlog?) -> Int? {
    let variable = "PROCESSED_IMAGES_DIR"
    let trial = FolderTrial.of(path, inner: ImageName.reserved)
    report.add(trial.findings(path, variable, keeps: "the images"))
    if let kind = trial.fileSystem { report.add(Self.kind(kind, foldsNames: trial.foldsNames)) }
    if let space = trial.space {
      let disk = DiskCheck(
        place: "disk of the output", space: space, bytesToCome: backlog?.imageBytes ?? 0,
        filesToCome: backlog?.waiting ?? 0)
      report.add(disk.findings())
    }
    let catalog = DatabaseCheck.catalog(in: path)
    report.add(catalog.finding())
    if settings.receipts, let outbox = OutboxCheck.of(path, topic: settings.topic) { report.add(outbox.finding()) }
    let reserved = try? Folder.open("\(path)/\(ImageName.reserved)")
    if let reserved { report.add(occupants(reserved, trial.fileSystem)) }
    let isCatalogThere = ((try? FileStatus.of(catalog.path)) ?? nil) != nil
    report.add(CSVCheck.of(settings.csvPath).finding(isOrphan: !isCatalogThere && hasImages))
    return trial.space?.free
  }

  static func kind(_ kind: FileSystemKind, foldsNames: Bool) -> [Finding] {
    var findings: [Finding] = []
    if kind.isShared {
      findings.append(
        .note(
          "output_shared",
          "\(kind.name): other hosts may use it too, so one consumer at a time can store into it, and files are synced one by one",
          "run one consumer, or put the output on a local file system"))
    }
    if foldsNames {
      findings.append(
        .note(
          "case_folded",
          "upper and lower case are the same there: only one of A.jpg and a.jpg can be stored",
          "give the images names that differ by more, or put the output on another file system"))
    }
    return findings
  }

  /// True if the folder contains something that may be an image.
  private var hasImages: Bool {
    guard let walker = try? FolderWalker(root: path, enter: { _ in false }) else { return false }
    // There are only a few hidden names, but there may be millions of others.
    for _ in 0..<1_000 {
      guard let entry = walker.next() else { return false }
      if let name = try? entry.get().string, !name.hasPrefix(".") { return true }
    }
    return false
  }

  /// The consumers that use the output, as far as this process can see them, and leftovers of earlier ones.
  private func occupants(_ reserved: Folder, _ kind: FileSystemKind?) -> [Finding] {
    let anyDevice = kind == .btrfs || kind == .overlay
    var (held, leftovers) = (0, 0)
    for number in 1...ConsumerSlot.most {
      guard let slot = try? reserved.folder(ConsumerSlot.name(number), creating: false),
        let lock = (try? slot.status(ConsumerSlot.lockName)) ?? nil
      else { break }
      if locks.holder(of: lock, anyDevice: anyDevice) == .one {
        held += 1
      } else {
        leftovers += (try? slot.folder("incoming", creating: false).names().count) ?? 0
      }
    }
    var findings = [
      Finding.ok(
        "users",
        "\(Quantity.count(held, "consumer")) \(held == 1 ? "is" : "are") using it, as far as this process can see")
    ]
    // A consumer that this process cannot see may be about to rename these files.
    if held == 0, leftovers > 0 {
      findings.append(
        .ok(
          "temporary_files", "\(Quantity.count(leftovers, "temporary file")) left over: the next consumer removes them")
      )
    }
    if let lock = (try? reserved.status(OutputLock.name)) ?? nil, locks.holder(of: lock, anyDevice: anyDevice) == .one {
      findings.append(
        .note("repair_running", "image-pipeline repair works on it", "start the consumers when it has finished"))
    }
    if let segments = try? reserved.folder("segments", creating: false).names().count, segments > 0 {
      findings.append(.ok("segments_missing", "\(Quantity.count(segments, "image")) with missing segments"))
    }
    let letters = (try? reserved.folder(DeadLetters.folderName, creating: false).names()) ?? []
    let waiting = letters.count { $0.hasSuffix(LetterFile.suffix) }
    if waiting > 0 {
      findings.append(
        .note(
          "dead_letters",
          "\(Quantity.count(waiting, "dead letter")) on disk",
          "image-pipeline dead-letters lists them with their reasons"))
    }
    return findings
  }
}
