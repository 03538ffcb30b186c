import Testing

@testable import Platform

@Suite struct FileLocksTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open() throws -> File { try File.open(folder.path + "/file", .create) }

  @Test func sharersKeepOutWhoWantsItAlone() throws {
    let first = try open()
    #expect(try first.lockShared())
    #expect(try open().lockShared())
    #expect(try !open().lockExclusively())
    withExtendedLifetime(first) {}
  }

  @Test func whoHasItAloneKeepsOutSharers() throws {
    var alone: File? = try open()
    #expect(try alone!.lockExclusively())
    #expect(try !open().lockShared())
    alone = nil
    #expect(try open().lockShared())
  }

  @Test(arguments: [(0, 1), (1, 0), (7, .max), (.max, 7), (41, 42)] as [(UInt64, UInt64)])
  func aClaimIsSharedWithItsOwnerAlone(mine: UInt64, other: UInt64) throws {
    var held: File? = try open()
    let second = try open()
    #expect(try held!.claim(for: mine))
    #expect(try second.claim(for: mine))
    #expect(try !open().claim(for: other))
    held = nil
    #expect(try !open().claim(for: other))
  }

  @Test func aClaimEndsWithItsLastHolder() throws {
    do {
      let held = try open()
      #expect(try held.claim(for: 1))
      // To close another opening of the file releases nothing.
      _ = try open().status()
      #expect(try !open().claim(for: 2))
      withExtendedLifetime(held) {}
    }
    #expect(try open().claim(for: 2))
  }
}
