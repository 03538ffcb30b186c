import Glibc
import TestSupport
import Testing

@testable import Kafka
@testable import Platform
@testable import Telemetry

/// Findings about input, output and state.
extension DoctorTests {
  @Test("doctor finds files that cannot be sent") func unreadableFilesAreFound() throws {
    let broker = try Broker.preferred()
    try folder.write("images/locked.jpg", [1])
    try folder.write("images/closed/a.jpg", [1])
    for number in 0..<3 { try folder.write("images/\(number).cr2", [1]) }
    #expect(chmod(folder.path + "/images/locked.jpg", 0) == 0 && chmod(folder.path + "/images/closed", 0) == 0)
    defer { chmod(folder.path + "/images/closed", 0o755) }
    let outcome = try unprivileged(broker, ["--producer"])
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(
      outcome.has("files and folders that cannot be read: 2, the first: ", "fix: chmod -R a+rX"), "\(outcome.output)")
    #expect(
      outcome.has("skipped because of their extension: 3 files (.cr2 3)", "jxl,cr2, or * for every"),
      "\(outcome.output)")
    let listed = try doctor(broker, ["--producer"], ["IMAGE_EXTENSIONS": "*"])
    #expect(!listed.output.contains("skipped because"), "\(listed.output)")
  }

  @Test("doctor reports an input that is missing or is itself an output") func badInputFolderIsAProblem() throws {
    let broker = try Broker.preferred()
    let missing = try doctor(broker, ["--producer"])
    #expect(missing.code == 1 && missing.has("IMAGES_DIR=images", "no such file", "fix: "), "\(missing.output)")
    _ = try Program.storeAll(in: folder, broker)
    let output = try doctor(broker, ["--producer"], ["IMAGES_DIR": TestFolder.output])
    #expect(output.code == 1 && output.has("which a consumer stores into", "fix: set IMAGES_DIR"), "\(output.output)")
  }

  @Test("doctor reports an output that this user may not write") func unwritableOutputIsAProblem() throws {
    let broker = try Broker.preferred()
    try folder.makeFolder(TestFolder.output)
    try folder.write(TestFolder.csv, [])
    try folder.makeFolder(".image-pipeline")
    for name in [TestFolder.output, TestFolder.csv, ".image-pipeline"] {
      #expect(chmod(folder.path + "/" + name, 0o555) == 0)
    }
    try folder.makeFolder("images")
    let outcome = try unprivileged(broker)
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(
      outcome.has("PROCESSED_IMAGES_DIR=processed_images: cannot create", "fix: sudo chown -R"), "\(outcome.output)")
    #expect(outcome.has("CSV_PATH=processed_image_data.csv: cannot open", "fix: sudo chown"), "\(outcome.output)")
    #expect(outcome.has("STATE_DIR=.image-pipeline: cannot create"), "\(outcome.output)")
  }

  @Test("doctor finds a folder at CSV_PATH") func folderAtCSVPathIsFound() throws {
    let broker = try Broker.preferred()
    try folder.makeFolder(TestFolder.csv)
    let outcome = try doctor(broker, ["--consumer"])
    #expect(
      outcome.code == 1 && outcome.has("is a folder: Docker creates one", "fix: docker compose down"),
      "\(outcome.output)")
  }

  @Test("doctor names the fix for damaged and foreign files") func damagedFilesHaveFixes() throws {
    let broker = try Broker.preferred()
    try folder.write(".image-pipeline/ledger.sqlite", Array(String(repeating: "no ledger", count: 1_000).utf8))
    try folder.write(TestFolder.output + "/.image-pipeline/catalog.sqlite", Array(repeating: 1, count: 5_000))
    try folder.write(TestFolder.csv, Array("file_path,image_label\n".utf8))
    try folder.makeFolder("images")
    let outcome = try doctor(broker)
    #expect(outcome.code == 1, "\(outcome.output)")
    #expect(outcome.has("the ledger", "is damaged", "move it away, with its -wal and -shm"), "\(outcome.output)")
    #expect(outcome.has("the catalog", "is damaged", "image-pipeline repair"), "\(outcome.output)")
    #expect(outcome.has("was not written by this pipeline", "moves it aside"), "\(outcome.output)")
  }

  @Test("doctor reports a full and a read-only disk", .enabled(if: SmallDisk.isPermitted, "needs the right to mount"))
  func fullAndReadOnlyDisksAreProblems() throws {
    let broker = try Broker.preferred()
    let small = try SmallDisk(at: folder.path + "/" + TestFolder.output, bytes: 1 << 20)
    let full = try doctor(broker, ["--consumer"])
    #expect(full.code == 1 && full.has("disk of the output: ", "free", "fix: free some space"), "\(full.output)")
    #expect(full.has("is in memory"), "\(full.output)")
    try small.makeReadOnly()
    let readOnly = try doctor(broker, ["--consumer"])
    #expect(readOnly.has("read-only file system", "fix: Mount the file system"), "\(readOnly.output)")
    #expect(readOnly.code == 1)
  }
}
