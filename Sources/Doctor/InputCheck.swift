import Configuration
import Glibc
import Kafka
import Platform
import Telemetry
import Wire

/// Checks the input folder: its contents, whether they can be read, and whether changes are reported at once.
struct InputCheck {
  let settings: ProducerSettings
  let stop: StopFlag

  /// The limits of the walk, in entries and in time.
  private static let mostEntries = 200_000
  private static let patience = Duration.seconds(20)

  /// - Parameter outside: true if somebody outside creates files whose names begin with `Canary.prefix`. The check then
  ///   includes whether they are noticed.
  /// - Returns: the contents of the folder; nil if it cannot be used.
  func look(_ report: DoctorReport, outside: Bool) -> InputSurvey? {
    let place = "IMAGES_DIR=\(settings.input)"
    let path: String
    let folder: Folder
    let kind: FileSystemKind
    do {
      path = try InputFolder.resolve(settings.input)
      folder = try Folder.open(path)
      kind = try folder.fileSystem
    } catch let error as InputFolder.Unusable {
      let cure = "mkdir -p \(settings.input), or set IMAGES_DIR to the folder with the images"
      report.add(
        error.reason.code == ENOENT
          ? .problem("input_folder", "\(place): \(error.reason.summary)", cure: cure)
          : .problem("input_folder", error.reason, before: place, cure: cure))
      return nil
    } catch let error as InputFolder.InBucket {
      report.add(.problem("input_folder", "\(error)", cure: "set IMAGES_DIR to a folder"))
      return nil
    } catch let error as InputFolder.Refusal {
      report.add(
        .problem(
          "input_is_output",
          "\(place) is in \(error.output), which a consumer stores into",
          cure: "set IMAGES_DIR or PROCESSED_IMAGES_DIR to another folder: stored images would be sent again"))
      return nil
    } catch {
      report.add(.problem("input_folder", error, before: place, cure: "give this user access to it"))
      return nil
    }
    if let missing = AccessRights.missing([.read, .enter], on: path) {
      report.add(.problem("input_folder", missing, before: place, cure: "chmod a+rX it"))
      return nil
    }
    let refusal = AccessRights.missing([.write], on: path)
    report.add(
      .ok(
        "input_folder",
        "\(place): \(kind.name), \(refusal == nil ? "writable" : refusal?.code == EROFS ? "read-only" : "not writable")"
      ))
    if refusal != nil, settings.afterSent != .keep { report.add(afterSent(refusal!)) }
    let survey = walk(path)
    report.add(survey.findings(settings.extensions, afterSent: settings.afterSent))
    report.add(Self.watches(folders: survey.folders, ProcessLimits.now()))
    guard !stop.isSet else { return survey }
    var canary = Canary(folder: folder, stop: stop)
    let inside = refusal == nil ? canary.inside() : nil
    report.add(
      CanaryVerdict(kind: kind, rescan: settings.rescan).findings(
        inside: inside, outside: outside ? canary.outside() : nil))
    if let difference = canary.clockDifference {
      report.add(ClockCheck.fileSystem(settings.input, difference: difference))
    }
    return survey
  }

  private func afterSent(_ error: SystemError) -> Finding {
    .problem(
      "after_sent",
      "AFTER_SENT=\(settings.afterSent.rawValue), and the folder cannot be written: \(error.summary)",
      cure:
        "AFTER_SENT=keep, or let uid \(HostIdentity.userAndGroup.0) write there (in compose: IMAGES_READ_ONLY=false)")
  }

  private func walk(_ path: String) -> InputSurvey {
    let filter = settings.filter
    var survey = InputSurvey(filter: filter, now: WallClock.nanoseconds)
    var outputs: [String] = []
    let walker: FolderWalker
    do {
      walker = try FolderWalker(root: path) { folder in
        guard filter.enters(folder) else { return false }
        guard !InputFolder.isOutput(path + "/" + folder) else {
          outputs.append(folder)
          return false
        }
        return true
      }
    } catch {
      survey.addFailure(error)
      return survey
    }
    let deadline = Deadline(in: Self.patience)
    while let result = walker.next() {
      guard !stop.isSet, survey.entries < Self.mostEntries, !deadline.hasPassed else {
        survey.isCut = true
        break
      }
      switch result {
      case .failure(let error): survey.addFailure(error)
      case .success(let entry): add(entry, path, &survey)
      }
    }
    for output in outputs { survey.addOutput(output) }
    return survey
  }

  private func add(_ entry: FolderWalker.Entry, _ root: String, _ survey: inout InputSurvey) {
    guard entry.kind != .folder else { return survey.addFolder(String(decoding: entry.relativePath, as: UTF8.self)) }
    guard let name = entry.string else { return survey.addUnsendable(entry.relativePath) }
    guard entry.kind == .regular || entry.kind == .symbolicLink else { return survey.addOther() }
    guard survey.addFile(name) else { return }
    do throws(SystemError) {
      // The file is gone by now, or it is a link to a folder, which is not followed.
      guard let status = try FileStatus.of(root + "/" + name), status.kind == .regular else { return }
      var failure: SystemError?
      // The file is opened instead of only asking for the rights: on a network file system the server decides when it
      // is opened.
      do throws(SystemError) {
        let file = try File.open(root + "/" + name, .read)
        if file.writers() == .unknown { survey.addUncertain(name) }
      } catch { failure = error }
      if failure?.code != ENOENT { survey.addImage(name, status, unreadable: failure) }
    } catch { survey.addFailure(error) }
  }

  /// Reports if the folders of the two sides are the same, when both are checked.
  static func sameFolder(_ input: String, _ output: String) -> Finding? {
    guard let one = (try? FileStatus.of(input)) ?? nil, let other = (try? FileStatus.of(output)) ?? nil,
      one.isSameFile(as: other)
    else { return nil }
    return .problem(
      "same_folder",
      "IMAGES_DIR=\(input) and PROCESSED_IMAGES_DIR=\(output) are one folder",
      cure: "set one of them to another folder: stored images would be sent again")
  }

  /// Each folder needs one inotify watch.
  static func watches(folders: Int, _ limits: ProcessLimits) -> [Finding] {
    guard let most = limits.inotifyWatches else { return [] }
    let processes = limits.inotifyInstances.map { ", and \(Quantity.count($0, "watcher"))" } ?? ""
    let text =
      "\(Quantity.count(folders, "folder")) to be watched; inotify allows \(Quantity.grouped(most))\(processes)"
    guard folders > most / 10 * 9 else { return [.ok("folder_watches", text)] }
    return [
      .note(
        "folder_watches",
        text + ": files in the others are found only by scans, later",
        "sysctl fs.inotify.max_user_watches=1048576, on the host if this is a container")
    ]
  }
}
