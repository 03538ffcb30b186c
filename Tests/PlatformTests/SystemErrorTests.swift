import Glibc
import Testing

@testable import Platform

@Suite struct SystemErrorTests {
  @Test("a missing file is named with reason and fix") func missingFileHasReasonAndFix() {
    let error = failure { _ = try File.open("/nowhere/a.jpg", .read) }
    #expect(error?.code == ENOENT)
    #expect(
      error?.description
        == "cannot open /nowhere/a.jpg: no such file or directory. Check the path, and create what is missing")
  }

  @Test("a refusal names the user and the missing access") func refusalNamesUserAndAccess() {
    let reading = SystemError("open", "images/a.jpg", code: EACCES).description
    let user = "uid \(geteuid()), gid \(getegid())"
    #expect(reading.hasPrefix("cannot open images/a.jpg: permission denied. Give \(user) read access"))
    #expect(SystemError("create", "out/a.jpg", code: EACCES).description.contains("write access"))
  }

  @Test(
    "a common error has a fix",
    arguments: [
      EACCES, EPERM, ENOSPC, EROFS, EMFILE, ENFILE, ENOENT, EISDIR, ENAMETOOLONG, EDQUOT, EIO, ENOMEM, ESTALE, ESPIPE,
      EOPNOTSUPP, ENOLCK, EBUSY, ENXIO, ENOTCONN,
    ])
  func commonErrorHasAFix(code: CInt) {
    let error = SystemError("open", "a", code: code)
    #expect(error.description.hasPrefix("cannot open a: \(error.meaning). "))
  }

  @Test("an error without a fix is one sentence") func errorWithoutFixIsOneSentence() {
    #expect(SystemError("wait for", "a", code: ECHILD).description == "cannot wait for a: no child processes")
  }

  @Test("inotify limits are not confused with a full disk or too many files") func inotifyLimitsAreRecognized() {
    let watches = SystemError(SystemError.watching, "images", code: ENOSPC).description
    #expect(watches.contains("max_user_watches") && !watches.contains("space"))
    #expect(SystemError(SystemError.watching, "folders", code: EMFILE).description.contains("max_user_instances"))
    #expect(SystemError("open", "a", code: EMFILE).description.contains("ulimit -n"))
  }

  @Test("only faults of the host may pass, and a missing right needs a person") func onlyHostFaultsMayPass() {
    for code in [ENOSPC, EDQUOT, EIO, EROFS, EMFILE, ENFILE, ENOMEM, ESTALE] {
      #expect(SystemError("open", "a", code: code).disposition == .transient)
    }
    for code in [EACCES, EPERM] { #expect(SystemError("open", "a", code: code).disposition == .needsPerson) }
    for code in [ENOENT, EISDIR, ENAMETOOLONG, ENOTDIR, ELOOP, EEXIST, EINVAL] {
      #expect(SystemError("open", "a", code: code).disposition == .badInput)
    }
  }

  @Test("an error answers for its type, and gives no answer if its type has none") func errorAnswersForItsType() {
    let errors: [any Error] = [SystemError("open", "a", code: ENOSPC), PathPattern.Fault("")]
    #expect(errors.map { Disposition(of: $0) } == [.transient, nil])
    #expect(Disposition.transient.mayPass && Disposition.needsPerson.mayPass)
    #expect(!Disposition.badInput.mayPass && !Disposition.final.mayPass)
  }

  @Test("a call that a signal interrupts is repeated") func interruptedCallIsRepeated() throws {
    var calls = 0
    let result = try retrying("read", "a") {
      calls += 1
      errno = EINTR
      return calls < 3 ? -1 : 7
    }
    #expect(result == 7 && calls == 3)
  }

  @Test("building the subject does not change the error code") func codeOutlivesSubject() {
    func subject() -> String {
      errno = 0
      return "a"
    }
    let error = failure {
      try retrying("read", subject()) { () -> Int in
        errno = EIO
        return -1
      }
    }
    #expect(error?.code == EIO)
  }
}
