import Glibc
import TestSupport
import Testing

@testable import Platform

/// Questions to the system that change nothing.
@Suite struct LookingAroundTests {
  let temporary: TestFolder
  init() throws { temporary = TestFolder() }

  @Test("a held lock is seen without being touched") func heldLockIsSeen() throws {
    let file = try File.open("\(temporary.path)/lock", .create)
    #expect(LockTable.now().holder(of: try file.status()) == .nobody)
    #expect(try file.lockExclusively())
    #expect(LockTable.now().holder(of: try file.status()) == .one)
    let other = try File.open("\(temporary.path)/shared", .create)
    #expect(try other.lockShared())
    #expect(LockTable.now().holder(of: try other.status()) == .several)
  }

  @Test("other kinds of locks are ignored") func otherLocksAreIgnored() {
    let table = LockTable(
      """
      1: POSIX  ADVISORY  WRITE 700 08:01:11 0 EOF
      2: FLOCK  ADVISORY  WRITE 701 08:11:12 0 EOF
      2: -> FLOCK  ADVISORY  WRITE 702 08:11:13 0 EOF
      3: FLOCK  ADVISORY  READ  703 103:02:14 0 EOF
      no lock at all
      """)
    func file(_ inode: UInt64, device: UInt64) -> FileStatus {
      FileStatus(kind: .regular, size: 0, modified: 0, changed: 0, inode: inode, device: device)
    }
    #expect(table.holder(of: file(11, device: 0x801)) == .nobody)
    #expect(table.holder(of: file(12, device: 0x811)) == .one)
    #expect(table.holder(of: file(12, device: 0x801)) == .nobody)
    #expect(table.holder(of: file(12, device: 0x2b), anyDevice: true) == .one)
    #expect(table.holder(of: file(13, device: 0x811)) == .nobody, "it waits for another's lock")
    #expect(table.holder(of: file(14, device: 0x103 << 8 | 2)) == .several)
  }

  @Test("a port with a listener is found") func listeningPortIsFound() throws {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    try #require(listener >= 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let port = try withUnsafeMutablePointer(to: &address) {
      try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        try #require(bind(listener, $0, size) == 0 && listen(listener, 5) == 0 && getsockname(listener, $0, &size) == 0)
      }
      return Int(UInt16(bigEndian: $0.pointee.sin_port))
    }
    let here = TCPProbe.Address(host: "127.0.0.1", port: port)
    #expect(TCPProbe.connect(to: [here, here], timeout: .seconds(10)) == [.connected, .connected])
    close(listener)
    let unknown = TCPProbe.Address(host: "no-such-host.invalid", port: 1)
    let outcomes = TCPProbe.connect(to: [here, unknown], timeout: .seconds(20))
    #expect(outcomes[0] == .failed("connection refused"))
    // Without a network the resolver may take very long.
    if case .connected = outcomes[1] { Issue.record("a host that cannot be was reached") }
    #expect(TCPProbe.connect(to: [], timeout: .seconds(10)) == [])
    #expect(TCPProbe.Address(host: "::1", port: 9092).description == "[::1]:9092")
  }

  @Test("an unknown host name is unresolved") func unknownHostIsUnresolved() {
    let outcome = TCPProbe.connect(to: [.init(host: "-", port: 1)], timeout: .seconds(20))[0]
    guard case .unresolved(let words) = outcome else { return #expect(outcome == .silent) }
    #expect(!words.isEmpty)
  }

  @Test("the nearest existing folder is found") func nearestFolderIsFound() throws {
    #expect(AccessRights.nearestThere("\(temporary.path)/a/b/c") == temporary.path)
    #expect(AccessRights.nearestThere("\(temporary.path)") == temporary.path)
    #expect(AccessRights.nearestThere("no such folder/b") == ".")
    #expect(AccessRights.nearestThere("/no such folder/b") == "/")
    #expect(AccessRights.missing([.read, .write, .enter], on: temporary.path) == nil)
    let missing = AccessRights.missing([.write], on: "\(temporary.path)/a")
    #expect(missing?.code == ENOENT && missing?.operation == "write")
  }

  @Test("the system's limits and versions are read") func systemLimitsAreRead() {
    let limits = ProcessLimits.now()
    #expect(limits.openFiles > 0)
    #expect(limits.inotifyWatches ?? 1 > 0 && limits.inotifyInstances ?? 1 > 0 && limits.memory ?? 1 > 0)
    #expect(SHA256.libraryVersion.split(separator: ".").count == 3, "\(SHA256.libraryVersion)")
    #expect(HostIdentity.kernelRelease.contains("."))
  }
}
