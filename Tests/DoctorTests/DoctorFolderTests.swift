import Glibc
import TestSupport
import Testing

@testable import Doctor
@testable import Kafka
@testable import Output
@testable import Platform
@testable import Producer
@testable import SQLite
@testable import Telemetry

/// Folders and files that the sides write to.
@Suite struct DoctorFolderTests {
  private let folder: TestFolder
  init() throws { folder = TestFolder() }

  @Test("a writable folder is left as it was") func writableFolderIsLeftAsItWas() throws {
    _ = try folder.makeFolder("out/.image-pipeline")
    let trial = FolderTrial.of(folder / "out", inner: ".image-pipeline")
    #expect(trial.failure == nil && trial.fileSystem != nil && trial.space != nil)
    #expect(abs(trial.clockDifference ?? .max) < 2_000 && !trial.foldsNames)
    #expect(try folder.names("out") == [".image-pipeline"] && folder.names("out/.image-pipeline") == [])
    let findings = trial.findings("out", "PROCESSED_IMAGES_DIR", keeps: "the images")
    #expect(findings.first?.key == "folder_writable ok")
    #expect(findings.first?.text.hasPrefix("PROCESSED_IMAGES_DIR=out: ") == true)
  }

  @Test("a missing folder will be created") func missingFolderWillBeCreated() throws {
    let trial = FolderTrial.of(folder / "a/b")
    #expect(trial.failure == nil && trial.fileSystem == nil && trial.there == folder.path)
    #expect(trial.findings("a/b", "STATE_DIR", keeps: "").keys == ["folder_writable ok"])
    #expect(try folder.names() == [])
    try folder.write("file", "")
    let blocked = FolderTrial.of(folder / "file/b")
    #expect(blocked.failure?.code == ENOTDIR)
    #expect(blocked.findings("file/b", "STATE_DIR", keeps: "").keys == ["folder_writable problem"])
    #expect(FolderTrial.of(folder / "file").failure?.code == ENOTDIR)
  }

  @Test("files that others left in the folder are no fault") func foreignFilesAreNoFault() throws {
    // Every new container's program is process 1, and a killed one leaves its files.
    let left = "\(FolderTrial.prefix)\(getpid())"
    try folder.write("out/" + left, "left")
    let trial = FolderTrial.of(folder / "out")
    #expect(trial.failure == nil, "\(String(describing: trial.failure))")
    #expect(try folder.names("out") == [left], "it is somebody else's")
  }

  @Test("missing rights and read-only disks have fixes of their own") func rightsAndReadOnlyHaveOwnFixes() {
    var trial = FolderTrial(fileSystem: .ext4, there: "out", failure: SystemError("create", "out/x", code: EACCES))
    let rights = trial.findings("out", "PROCESSED_IMAGES_DIR", keeps: "").first
    #expect(
      rights?.key == "folder_writable problem"
        && rights?.cure?.contains("sudo chown -R \(geteuid()):\(getegid()) out") == true)
    trial.failure = SystemError("create", "out/x", code: EROFS)
    #expect(trial.findings("out", "X", keeps: "").first?.cure?.contains("writable") == true)
  }

  @Test("storage that does not last is noted", arguments: [FileSystemKind.overlay, .tmpfs])
  func volatileStorageIsNoted(kind: FileSystemKind) {
    let trial = FolderTrial(fileSystem: kind, there: "out", clockDifference: 90_000)
    let findings = trial.findings("out", "STATE_DIR", keeps: "the ledger")
    #expect(findings.keys == ["folder_writable ok", "folder_lasting note", "file_system_clock note"])
    #expect(findings[2].text.contains("90 s ahead of"))
  }

  @Test("shared and case-folding file systems are noted") func specialFileSystemsAreNoted() {
    #expect(OutputCheck.kind(.ext4, foldsNames: false) == [])
    #expect(OutputCheck.kind(.nfs, foldsNames: true).keys == ["output_shared note", "case_folded note"])
  }

  // MARK: Room

  private func disk(_ free: Int, files: Int? = nil, bytes: Int = 0, come: Int = 0) -> [String] {
    DiskCheck(
      place: "disk", space: DiskSpace(size: 100 << 30, free: free, freeFiles: files), bytesToCome: bytes,
      filesToCome: come
    ).findings().keys
  }

  @Test("free disk space is compared with the backlog") func diskIsComparedWithBacklog() {
    #expect(disk(50 << 30) == ["disk_space ok"])
    #expect(disk(4 << 30) == ["disk_space note"], "below a twentieth")
    #expect(disk(1 << 20) == ["disk_space problem"])
    #expect(disk(50 << 30, bytes: 60 << 30) == ["disk_space problem"])
    #expect(disk(50 << 30, files: 500) == ["disk_space ok", "disk_files note"])
    #expect(disk(50 << 30, files: 500, come: 600) == ["disk_space ok", "disk_files problem"])
    #expect(disk(50 << 30, files: 1_000_000, come: 600) == ["disk_space ok"])
  }

  // MARK: The CSV file

  private func csv(isOrphan: Bool = false) -> Finding {
    CSVCheck.of(folder / "data.csv").finding(isOrphan: isOrphan)
  }

  @Test("the CSV file is checked without a change") func csvFileIsReadOnlyChecked() throws {
    #expect(csv().key == "csv_file ok")
    #expect(try folder.names() == [], "nothing is made")
    try folder.write("data.csv", "")
    #expect(csv().key == "csv_file ok")
    try folder.write("data.csv", CSVLine.header)
    #expect(csv(isOrphan: true).key == "csv_file ok")
    try folder.write("data.csv", CSVLine.header + Array("a row\n".utf8))
    #expect(csv().key == "csv_file ok")
    #expect(csv(isOrphan: true).key == "csv_catalog problem")
    #expect(csv(isOrphan: true).cure?.hasPrefix("image-pipeline repair") == true)
    try folder.write("data.csv", "file_path,image_label\n")
    #expect(csv().key == "csv_origin note")
  }

  @Test("a folder at the CSV path is explained by the container engine") func folderAtCSVPathIsExplained() throws {
    _ = try folder.makeFolder("data.csv")
    #expect(csv().key == "csv_file problem" && csv().cure?.contains("rmdir") == true)
    try #require(rmdir(folder / "data.csv") == 0 && mkfifo(folder / "data.csv", 0o600) == 0)
    #expect(csv().key == "csv_file problem" && csv().cure?.contains("rmdir") == false)
  }

  @Test("a CSV file deleted under its mount is a problem") func deletedMountIsAProblem() throws {
    let file = try File.open(folder / "data.csv", .createNew)
    try #require(unlink(folder / "data.csv") == 0)
    // What a mounted path leads to: a file without a name.
    let check = CSVCheck.of("/proc/self/fd/\(file.descriptor)")
    #expect(check.state == .deleted)
    #expect(check.finding(isOrphan: false).key == "csv_mount problem")
    #expect(check.finding(isOrphan: false).cure?.contains("--force-recreate consumer") == true)
  }

  // MARK: Ledger and catalog

  @Test("databases are opened and left as they were") func databasesAreLeftAsTheyWere() throws {
    let check = DatabaseCheck.ledger(in: folder / "state")
    #expect(check.finding().key == "database ok")
    do { _ = try Ledger(in: folder / "state", cluster: "c", topic: "t", input: "i") }
    let before = try folder.names("state")
    #expect(check.finding().key == "database ok")
    #expect(check.finding().text.hasSuffix("version \(LedgerSchema.version), 0 files"))
    #expect(try folder.names("state") == before)

    let database = try Database(path: check.path, busyTimeout: .zero)
    try database.setUserVersion(99)
    #expect(
      check.finding().key == "database_version problem" && check.finding().cure?.contains("STATE_DIR") == true,
      "beside its user")
    database.close()
    let text = check.finding().text
    #expect(text.contains(" 99,") && text.hasSuffix(" \(LedgerSchema.version)"), "\(text)")
  }

  @Test("a damaged database has a fix") func damagedDatabaseHasAFix() throws {
    try folder.write("out/.image-pipeline/catalog.sqlite", String(repeating: "no database ", count: 1_000))
    let finding = DatabaseCheck.catalog(in: folder / "out").finding()
    #expect(finding.key == "database_damaged problem", "\(finding)")
    #expect(finding.cure == "image-pipeline repair, with the consumers stopped")
  }

  @Test("a catalog in use by a consumer can be read") func catalogInUseIsReadable() throws {
    let catalog = try Catalog(in: try folder.makeFolder("out/.image-pipeline"), exclusive: false)
    let entry = Catalog.Entry(digest: digest(of: "x"), size: 1, modified: 1, inode: 1)
    try catalog.transaction { try catalog.set(entry, name: "a.jpg") }
    // During its transaction, while it holds the lock.
    try catalog.transaction {
      let finding = DatabaseCheck.catalog(in: folder / "out").finding()
      #expect(finding.key == "database ok" && finding.text.hasSuffix("version \(CatalogSchema.version), 1 image"))
    }
  }
}
