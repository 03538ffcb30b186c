import Glibc
import Testing

@testable import Platform

/// What a user meets who got something wrong: refused at once, or named for what it is.
@Suite(.ownThread) struct ErrorTests {
  private let folder = Scratch()

  @Test(
    "servers that cannot be meant are refused before anything is done",
    arguments: ["kafka://127.0.0.1:9", "127.0.0.1:99999"])
  func servers(servers: String) throws {
    try folder.makeFolder("images")
    for command in [["producer", "--once"], ["consumer"]] {
      let run = try Program(command, in: folder, environment: ["KAFKA_BOOTSTRAP_SERVERS": servers])
      #expect(run.exitCode() == 2, "\(run.output)")
      #expect(run.output.contains("KAFKA_BOOTSTRAP_SERVERS=\(servers)"), "\(run.output)")
    }
  }

  @Test("a CSV path that is no file is refused and left alone", arguments: ["pipe", "/dev/null"]) func csv(path: String)
    throws
  {
    let broker = try Broker()
    #expect(mkfifo(folder.path + "/pipe", 0o644) == 0)
    let run = try Program(
      ["consumer", "--until-idle", "1"], in: folder, environment: broker.environment(["CSV_PATH": path]))
    #expect(run.exitCode() == 1, "\(run.output)")
    #expect(run.output.contains("CSV_PATH=\(path)"), "\(run.output)")
  }

  /// 9 is too few for the ledger, a few more for connections.
  @Test("a low limit of open files is named as what it is", arguments: 8...14) func openFiles(limit: Int) throws {
    let broker = try Broker()
    try folder.write("images/a.jpg", [1])
    let run = try Program(
      ["-c", "ulimit -n \(limit); exec \"$0\" producer --once", Program.path], in: folder,
      environment: broker.environment(),
      executable: "/bin/sh")
    let isNamed = eventually { run.hasEnded || run.output.contains("ulimit -n") }
    #expect(isNamed, "\(run.output)")
    // With some of these limits it does its work all the same.
    if run.hasEnded, run.exitCode() == 0 { return }
    #expect(run.output.contains("ulimit -n"), "\(run.output)")
    for wrong in ["Create its folder", "firewall"] { #expect(!run.output.contains(wrong), "\(run.output)") }
  }
}
