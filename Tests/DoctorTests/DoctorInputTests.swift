import Glibc
import TestSupport
import Testing

@testable import Configuration
@testable import Doctor
@testable import Platform
@testable import Telemetry
@testable import Wire

/// The input folder as the producer sees it.
@Suite struct DoctorInputTests {
  private let now: Int64 = 1_800_000_000_000_000_000

  private func survey(_ extensions: [String] = ["jpg", "png"]) -> InputSurvey {
    InputSurvey(filter: FileFilter(extensions: extensions), now: now)
  }

  private func status(_ size: Int, modified: Int64 = 0) -> FileStatus {
    FileStatus(kind: .regular, size: size, modified: modified, changed: 0, inode: 1, device: 1)
  }

  private func keys(_ survey: InputSurvey, afterSent: AfterSentAction = .keep) -> [String] {
    survey.findings(["jpg", "png"], afterSent: afterSent).keys
  }

  @Test("images are counted and the largest is named") func imagesAreCounted() {
    var survey = survey()
    survey.addFolder("cat")
    for (name, size) in [("a.jpg", 10), ("cat/B.PNG", 3_000_000)] {
      let isImage = survey.addFile(name)
      #expect(isImage)
      survey.addImage(name, status(size), unreadable: nil)
    }
    for name in [".hidden.jpg", "a.jpg.part"] {
      let isImage = survey.addFile(name)
      #expect(!isImage)
    }
    #expect(survey.largest?.name == "cat/B.PNG")
    let findings = survey.findings(["jpg"], afterSent: .keep)
    #expect(findings.keys == ["images ok"])
    for said in ["2 images, 3.0 MB", "the largest 3.0 MB", "2 folders", "; 2 hidden"] {
      #expect(findings.first?.text.contains(said) == true, "\(findings)")
    }
    survey.isCut = true
    #expect(survey.findings(["jpg"], afterSent: .keep).first?.text.contains("first 5 entries") == true)
  }

  @Test("files that may have a writer are noted if sent files are moved or deleted")
  func unknownWritersAreNoted() {
    var survey = survey()
    let isImage = survey.addFile("a.jpg")
    #expect(isImage)
    survey.addImage("a.jpg", status(1), unreadable: nil)
    survey.addUncertain("a.jpg")
    #expect(keys(survey) == ["images ok"])
    #expect(keys(survey, afterSent: .delete) == ["images ok", "open_files_unknown note"])
  }

  @Test("skipped files are listed by extension") func skippedFilesAreListed() {
    var survey = survey()
    for name in (0..<7).map({ "\($0).CR2" }) + (0..<3).map({ "\($0)" }) + ["x.txt"] {
      let isImage = survey.addFile(name)
      #expect(!isImage)
    }
    let finding = survey.findings(["jpg", "png"], afterSent: .keep).last
    #expect(finding?.key == "extensions_skipped note")
    #expect(
      finding?.text.hasSuffix("11 files (.cr2 7, without extension 3, .txt 1)") == true,
      "\(String(describing: finding))")
    #expect(finding?.cure?.contains("IMAGE_EXTENSIONS=jpg,png,cr2,txt, ") == true)
  }

  @Test("excluded files and folders are counted, and need no watch")
  func excludedFilesAndFoldersAreCounted() throws {
    let patterns = try [PathPattern("raw/"), PathPattern("*_small.jpg")]
    var survey = InputSurvey(filter: FileFilter(extensions: ["jpg"], excluding: patterns), now: now)
    for folder in ["raw", "cat", "cat/raw", "@eaDir", ".hidden"] { survey.addFolder(folder) }
    let isImage = survey.addFile("cat/a_small.jpg")
    #expect(!isImage)
    #expect(survey.tally.excluded == 3 && survey.tally.passedBy == 0 && survey.tally.leftAlone == 0)
    #expect(survey.folders == 2 && survey.entries == 6)
    // Patterns that match nothing deserve attention, too.
    let unused = InputSurvey(filter: FileFilter(extensions: ["jpg"], excluding: patterns), now: now)
    #expect(unused.findings(["jpg"], afterSent: .keep).first?.text.hasSuffix("; 0 excluded by IMAGE_EXCLUDE") == true)
  }

  @Test("endlessly many extensions take bounded memory") func manyExtensionsTakeNoMemory() {
    var survey = survey()
    for number in 0..<5_000 { _ = survey.addFile("a.\(number)") }
    #expect(survey.tally.passedBy == 5_000)
    #expect(keys(survey) == ["images ok", "extensions_skipped note"])
  }

  @Test("an empty input is noted unless sent files are moved or deleted") func emptyInputIsNoted() {
    var empty = survey()
    let noted = ["images ok", "nothing_to_send note"]
    #expect(keys(empty) == noted && keys(empty, afterSent: .move) == ["images ok"])
    _ = empty.addFile("a.tmp")
    #expect(keys(empty) == noted)
  }

  @Test("an unreadable input is a problem that names the user") func unreadableInputNamesUser() {
    var survey = survey()
    let denied = SystemError("open", "images/a.jpg", code: EACCES)
    _ = survey.addFile("a.jpg")
    survey.addImage("a.jpg", status(5), unreadable: denied)
    survey.addFailure(SystemError("open", "images/folder", code: EACCES))
    #expect(survey.images == 0)
    let finding = survey.findings(["jpg"], afterSent: .keep).last
    #expect(finding?.key == "files_unreadable problem")
    #expect(finding?.text.hasSuffix(": 2, the first: \(denied.summary)") == true)
    #expect(finding?.cure?.contains("uid \(geteuid()), gid \(getegid())") == true)
  }

  @Test("names that cannot be keys are a problem") func invalidNamesAreAProblem() {
    var survey = survey()
    survey.addUnsendable([0xE9] + Array(".jpg".utf8))
    survey.addUnsendable([0xE9] + Array(".txt".utf8))
    let isImage = survey.addFile(String(repeating: "long/", count: 800) + "a.jpg")
    #expect(!isImage)
    let finding = survey.findings(["jpg"], afterSent: .keep).last
    #expect(
      finding?.key == "names_refused problem" && finding?.text.contains("2 files, ") == true,
      "\(String(describing: finding))")
  }

  @Test("file times in the future are noted") func futureTimesAreNoted() {
    var survey = survey()
    survey.addImage("a.jpg", status(1, modified: now + 59_000_000_000), unreadable: nil)
    #expect(keys(survey) == ["images ok"])
    survey.addImage("b.jpg", status(1, modified: now + 61_000_000_000), unreadable: nil)
    #expect(keys(survey) == ["images ok", "times_in_future note"])
    #expect(survey.findings([], afterSent: .keep).last?.text.hasSuffix("1 file, the first: b.jpg") == true)
  }

  @Test("an output inside the input is noted") func outputInsideIsNoted() {
    var survey = survey()
    survey.addImage("a.jpg", status(1), unreadable: nil)
    survey.addOutput("out")
    survey.addOutput("out2")
    #expect(keys(survey) == ["images ok", "output_skipped note"])
    #expect(survey.findings([], afterSent: .keep).last?.text.hasSuffix("out, and 1 more") == true)
  }

  @Test("the needed watches are compared with their limit") func watchesAreComparedWithLimit() {
    let limits = ProcessLimits(openFiles: 0, memory: nil, inotifyWatches: 1_000, inotifyInstances: nil)
    #expect(InputCheck.watches(folders: 900, limits).keys == ["folder_watches ok"])
    #expect(InputCheck.watches(folders: 901, limits).keys == ["folder_watches note"])
    #expect(InputCheck.watches(folders: 901, limits).first?.cure?.contains("max_user_watches") == true)
  }

  @Test("one folder for both sides is a problem") func oneFolderForBothIsAProblem() throws {
    let folder = TestFolder()
    _ = try folder.makeFolder("a")
    #expect(InputCheck.sameFolder(folder / "a", folder / "a/../a")?.key == "same_folder problem")
    #expect(InputCheck.sameFolder(folder / "a", folder / "b") == nil)
    #expect(InputCheck.sameFolder(folder / "a", folder.path) == nil)
  }

  // MARK: Events

  @Test("a canary file is seen and removed") func canaryIsSeenAndRemoved() throws {
    let folder = TestFolder()
    var canary = Canary(folder: try Folder.open(folder.path), stop: StopFlag())
    guard case .told(let time) = canary.inside() else {
      Issue.record("no event within 2 s")
      return
    }
    #expect(time < .seconds(2))
    #expect(abs(canary.clockDifference ?? .max) < 2_000)
    #expect(try folder.names() == [])
  }

  @Test("a canary file that another process left is no obstacle") func foreignCanaryIsNoObstacle() throws {
    let folder = TestFolder()
    let left = "\(Canary.prefix)\(getpid())"
    try folder.write(left, "")
    var canary = Canary(folder: try Folder.open(folder.path), stop: StopFlag())
    guard case .told = canary.inside() else {
      Issue.record("no event")
      return
    }
    #expect(try folder.names() == [left])
  }

  @Test("a stopped wait leaves nothing behind") func stoppedWaitLeavesNothing() throws {
    let folder = TestFolder()
    let stop = StopFlag()
    stop.set()
    var canary = Canary(folder: try Folder.open(folder.path), stop: stop)
    let outcomes = [canary.outside(), canary.inside()]
    #expect(outcomes == [.absent, .absent])
    #expect(try folder.names() == [])
  }

  @Test("another process's canary file is seen") func otherCanaryIsSeen() throws {
    let folder = TestFolder()
    let isOver = StopFlag()
    let path = folder.path
    let thread = BackgroundThread.start("canary") {
      // Repeatedly, since the start of the watch is not known here.
      while !isOver.wait(for: .milliseconds(20)) {
        if let inside = try? Folder.open(path) {
          _ = try? inside.file(Canary.prefix + "outside", .create)
          try? inside.remove(Canary.prefix + "outside")
        }
      }
    }
    let outcome = Canary(folder: try Folder.open(folder.path), stop: StopFlag()).outside()
    isOver.set()
    thread.join()
    guard case .told = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test("the verdict on a canary file depends on its maker") func canaryVerdictDependsOnMaker() {
    let local = CanaryVerdict(kind: .ext4, rescan: .seconds(10))
    let seen = Canary.Outcome.told(.milliseconds(3))
    #expect(local.findings(inside: seen, outside: nil).keys == ["file_events ok"])
    #expect(local.findings(inside: .silent, outside: nil).keys == ["file_events note"])
    #expect(local.findings(inside: seen, outside: .silent).keys == ["file_events ok", "file_events_outside note"])
    #expect(local.findings(inside: nil, outside: seen).keys == ["file_events_outside ok"])
    let silent = local.findings(inside: nil, outside: .silent).first
    #expect(silent?.text.contains("10.0 s") == true)
    #expect(silent?.cure?.contains("RESCAN_MS (now 10000)") == true)
    let absent = local.findings(inside: nil, outside: .absent).first
    #expect(absent?.key == "file_events_outside note" && absent?.cure?.contains("IMAGES_DIR") == true)
    let exhausted = local.findings(inside: .failed(SystemError("watch", "folders", code: ENOSPC)), outside: nil).first
    #expect(exhausted?.key == "file_events note" && exhausted?.cure?.contains("max_user_watches") == true)
  }

  @Test(
    "the kind of file system decides if nothing can be tried",
    arguments: [FileSystemKind.nfs, .cifs, .fuse, .other(0x0102_1997)])
  func fileSystemDecidesWithoutTrial(kind: FileSystemKind) {
    let shared = CanaryVerdict(kind: kind, rescan: .seconds(10)).findings(inside: nil, outside: nil)
    #expect(shared.keys == ["file_events note"] && shared.first?.text.hasPrefix(kind.name + " ") == true)
    let local = CanaryVerdict(kind: .ext4, rescan: .seconds(10)).findings(inside: nil, outside: nil)
    #expect(local.keys == ["file_events ok"])
  }
}
