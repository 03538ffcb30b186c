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

  private func levels(_ survey: InputSurvey, afterSent: AfterSentAction = .keep) -> [Finding.Level] {
    survey.findings(["jpg", "png"], afterSent: afterSent).map(\.level)
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
    #expect(
      survey.findings(["jpg"], afterSent: .keep) == [
        .ok("2 images, 3.0 MB, the largest 3.0 MB, in 2 folders; 2 hidden, unfinished or system files ignored")
      ])
    survey.isCut = true
    #expect(survey.findings(["jpg"], afterSent: .keep).first?.text.contains("among the first 5 entries") == true)
  }

  @Test("files that may have a writer are noted if sent files are moved or deleted")
  func unknownWritersAreNoted() {
    var survey = survey()
    let isImage = survey.addFile("a.jpg")
    #expect(isImage)
    survey.addImage("a.jpg", status(1), unreadable: nil)
    survey.addUncertain("a.jpg")
    #expect(levels(survey) == [.ok])
    #expect(levels(survey, afterSent: .delete) == [.ok, .note])
  }

  @Test("skipped files are listed by extension") func skippedFilesAreListed() {
    var survey = survey()
    for name in (0..<7).map({ "\($0).CR2" }) + (0..<3).map({ "\($0)" }) + ["x.txt"] {
      let isImage = survey.addFile(name)
      #expect(!isImage)
    }
    let finding = survey.findings(["jpg", "png"], afterSent: .keep).last
    #expect(finding?.level == .note)
    #expect(
      finding?.text.hasSuffix("11 files (.cr2 7, without extension 3, .txt 1)") == true,
      "\(String(describing: finding))")
    #expect(finding?.cure == "if these are images: IMAGE_EXTENSIONS=jpg,png,cr2,txt, or * for every file")
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
    #expect(unused.findings(["jpg"], afterSent: .keep).first?.text.contains("0 excluded by IMAGE_EXCLUDE") == true)
  }

  @Test("endlessly many extensions take bounded memory") func manyExtensionsTakeNoMemory() {
    var survey = survey()
    for number in 0..<5_000 { _ = survey.addFile("a.\(number)") }
    #expect(survey.tally.passedBy == 5_000)
    #expect(levels(survey) == [.ok, .note])
  }

  @Test("an empty input is noted unless sent files are moved or deleted") func emptyInputIsNoted() {
    var empty = survey()
    #expect(levels(empty) == [.ok, .note] && levels(empty, afterSent: .move) == [.ok])
    _ = empty.addFile("a.tmp")
    #expect(levels(empty) == [.ok, .note])
  }

  @Test("an unreadable input is a problem that names the user") func unreadableInputNamesUser() {
    var survey = survey()
    let denied = SystemError("open", "images/a.jpg", code: EACCES)
    _ = survey.addFile("a.jpg")
    survey.addImage("a.jpg", status(5), unreadable: denied)
    survey.addFailure(SystemError("open", "images/folder", code: EACCES))
    #expect(survey.images == 0)
    let finding = survey.findings(["jpg"], afterSent: .keep).last
    #expect(finding?.level == .problem)
    #expect(
      finding?.text
        == "files and folders that cannot be read: 2, the first: cannot open images/a.jpg: permission denied")
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
      finding?.level == .problem && finding?.text.contains("2 files, the first: ") == true,
      "\(String(describing: finding))")
  }

  @Test("file times in the future are noted") func futureTimesAreNoted() {
    var survey = survey()
    survey.addImage("a.jpg", status(1, modified: now + 59_000_000_000), unreadable: nil)
    #expect(levels(survey) == [.ok])
    survey.addImage("b.jpg", status(1, modified: now + 61_000_000_000), unreadable: nil)
    #expect(survey.findings([], afterSent: .keep).last?.text.hasSuffix("1 file, the first: b.jpg") == true)
  }

  @Test("an output inside the input is noted") func outputInsideIsNoted() {
    var survey = survey()
    survey.addImage("a.jpg", status(1), unreadable: nil)
    survey.addOutput("out")
    survey.addOutput("out2")
    #expect(survey.findings([], afterSent: .keep).last?.text.hasSuffix("out, and 1 more") == true)
  }

  @Test("the needed watches are compared with their limit") func watchesAreComparedWithLimit() {
    let limits = ProcessLimits(openFiles: 0, memory: nil, inotifyWatches: 1_000, inotifyInstances: nil)
    #expect(InputCheck.watches(folders: 900, limits).first?.level == .ok)
    #expect(InputCheck.watches(folders: 901, limits).first?.cure?.contains("max_user_watches") == true)
  }

  @Test("one folder for both sides is a problem") func oneFolderForBothIsAProblem() throws {
    let folder = TestFolder()
    _ = try folder.makeFolder("a")
    #expect(InputCheck.sameFolder(folder / "a", folder / "a/../a")?.level == .problem)
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
    #expect(local.findings(inside: .told(.milliseconds(3)), outside: nil).map(\.level) == [.ok])
    #expect(local.findings(inside: .silent, outside: nil).map(\.level) == [.note])
    #expect(local.findings(inside: .told(.milliseconds(3)), outside: .silent).map(\.level) == [.ok, .note])
    #expect(local.findings(inside: nil, outside: .told(.milliseconds(900))).map(\.level) == [.ok])
    let silent = local.findings(inside: nil, outside: .silent).first
    #expect(silent?.text.hasSuffix("images are found only by scans, up to 10.0 s late") == true)
    #expect(silent?.cure?.contains("RESCAN_MS (now 10000)") == true)
    #expect(
      local.findings(inside: nil, outside: .absent).first?.cure?.contains("another folder is mounted here") == true)
    let exhausted = local.findings(inside: .failed(SystemError("watch", "folders", code: ENOSPC)), outside: nil).first
    #expect(exhausted?.cure?.contains("max_user_watches") == true)
  }

  @Test(
    "the kind of file system decides if nothing can be tried",
    arguments: [FileSystemKind.nfs, .cifs, .fuse, .other(0x0102_1997)])
  func fileSystemDecidesWithoutTrial(kind: FileSystemKind) {
    let shared = CanaryVerdict(kind: kind, rescan: .seconds(10)).findings(inside: nil, outside: nil)
    #expect(shared.map(\.level) == [.note] && shared.first?.text.hasPrefix(kind.name + " ") == true)
    #expect(
      CanaryVerdict(kind: .ext4, rescan: .seconds(10)).findings(inside: nil, outside: nil).map(\.level) == [.ok])
  }
}
