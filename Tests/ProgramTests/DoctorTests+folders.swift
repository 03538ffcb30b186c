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
    #expect(outcome.has(.problem, "files_unreadable", naming: ": 2, ", "chmod -R a+rX"), "\(outcome.output)")
    #expect(
      outcome.has(.note, "extensions_skipped", naming: "3 files (.cr2 3)", "jxl,cr2, or *"), "\(outcome.output)")
    let listed = try doctor(broker, ["--producer"], ["IMAGE_EXTENSIONS": "*"])
    #expect(listed.has(.ok, "images") && !listed.has(.note, "extensions_skipped"), "\(listed.output)")
  }

  @Test("doctor reports an input that is missing or is itself an output") func badInputFolderIsAProblem() throws {
    let broker = try Broker.preferred()
    let missing = try doctor(broker, ["--producer"])
    #expect(missing.code == 1, "\(missing.output)")
    #expect(missing.has(.problem, "input_folder", naming: "IMAGES_DIR=images", "no such file"), "\(missing.output)")
    _ = try Program.storeAll(in: folder, broker)
    let output = try doctor(broker, ["--producer"], ["IMAGES_DIR": TestFolder.output])
    #expect(output.code == 1 && output.has(.problem, "input_is_output", naming: "set IMAGES_DIR"), "\(output.output)")
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
    let (output, state) = ("PROCESSED_IMAGES_DIR=processed_images", "STATE_DIR=.image-pipeline")
    #expect(
      outcome.has(.problem, "folder_writable", in: .output, naming: output, "sudo chown -R"), "\(outcome.output)")
    #expect(
      outcome.has(.problem, "csv_file", naming: "CSV_PATH=processed_image_data.csv", "sudo chown"), "\(outcome.output)")
    #expect(outcome.has(.problem, "folder_writable", in: .state, naming: state), "\(outcome.output)")
  }

  @Test("doctor finds a folder at CSV_PATH") func folderAtCSVPathIsFound() throws {
    let broker = try Broker.preferred()
    try folder.makeFolder(TestFolder.csv)
    let outcome = try doctor(broker, ["--consumer"])
    #expect(
      outcome.code == 1 && outcome.has(.problem, "csv_file", naming: TestFolder.csv, "docker compose down"),
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
    #expect(outcome.has(.problem, "database_damaged", in: .state, naming: "-wal", "-shm"), "\(outcome.output)")
    #expect(
      outcome.has(.problem, "database_damaged", in: .output, naming: "image-pipeline repair"), "\(outcome.output)")
    #expect(outcome.has(.note, "csv_origin", naming: TestFolder.csv), "\(outcome.output)")
  }

  @Test("doctor reports a full and a read-only disk", .enabled(if: SmallDisk.isPermitted, "needs the right to mount"))
  func fullAndReadOnlyDisksAreProblems() throws {
    let broker = try Broker.preferred()
    let small = try SmallDisk(at: folder.path + "/" + TestFolder.output, bytes: 1 << 20)
    let full = try doctor(broker, ["--consumer"])
    #expect(full.code == 1 && full.has(.problem, "disk_space", in: .output, naming: "df -h"), "\(full.output)")
    #expect(full.has(.note, "folder_lasting", in: .output), "\(full.output)")
    try small.makeReadOnly()
    let readOnly = try doctor(broker, ["--consumer"])
    #expect(
      readOnly.has(.problem, "folder_writable", in: .output, naming: "read-only file system"), "\(readOnly.output)")
    #expect(readOnly.code == 1)
  }
}
