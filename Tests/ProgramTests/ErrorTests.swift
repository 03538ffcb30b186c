import Glibc
import TestSupport
import Testing

@testable import Platform

/// Wrong settings are refused at once or named as the cause.
@Suite(.ownThread) struct ErrorTests {
  private let folder = TestFolder()

  @Test(
    "invalid server addresses are refused before anything starts",
    arguments: ["kafka://127.0.0.1:9", "127.0.0.1:99999"])
  func invalidServersAreRefused(servers: String) throws {
    try folder.makeFolder("images")
    for command in [["producer", "--once"], ["consumer"]] {
      let run = try Program(command, in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": servers])
      #expect(run.exitCode() == 2, "\(run.output)")
      #expect(run.output.contains("KAFKA_BOOTSTRAP_SERVERS=\(servers)"), "\(run.output)")
    }
  }

  @Test("settings that contradict each other end the producer before it asks for a broker")
  func contradictionsEndProducer() throws {
    try folder.makeFolder("images")
    let run = try Program(
      ["producer"], in: folder,
      environment: ["KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_MAX_IN_FLIGHT": "6"])
    #expect(run.exitCode() == 1, "\(run.output)")
    #expect(run.output.contains("max.in.flight"), "\(run.output)")
  }

  @Test("a CSV path that is no regular file is refused and left alone", arguments: ["pipe", "/dev/null"])
  func csvPathMustBeAFile(path: String)
    throws
  {
    let broker = try Broker()
    #expect(mkfifo(folder.path + "/pipe", 0o644) == 0)
    let run = try Program(
      ["consumer", "--until-idle", "1"], in: folder, environment: broker.environment(["CSV_PATH": path]))
    #expect(run.exitCode() == 1, "\(run.output)")
    #expect(run.output.contains("CSV_PATH=\(path)"), "\(run.output)")
  }

  /// 9 descriptors are too few for the ledger, a few more are too few for connections.
  @Test("a low limit of open files is named as the cause", arguments: 8...14) func lowFileLimitIsNamed(limit: Int)
    throws
  {
    let broker = try Broker()
    try folder.write("images/a.jpg", [1])
    let run = try Program(
      ["-c", "ulimit -n \(limit); exec \"$0\" producer --once", Program.path], in: folder,
      environment: broker.environment(),
      executable: "/bin/sh")
    let isNamed = eventually { run.hasEnded || run.output.contains("ulimit -n") }
    #expect(isNamed, "\(run.output)")
    // Some of these limits are enough.
    if run.hasEnded, run.exitCode() == 0 { return }
    #expect(run.output.contains("ulimit -n"), "\(run.output)")
    for wrong in ["Create its folder", "firewall"] { #expect(!run.output.contains(wrong), "\(run.output)") }
  }
}
