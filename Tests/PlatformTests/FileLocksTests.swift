import TestSupport
import Testing

@testable import Platform

@Suite struct FileLocksTests {
  private let folder: TestFolder

  init() throws { folder = TestFolder() }

  private func open() throws -> File { try File.open(folder.path + "/file", .create) }

  @Test("shared holders exclude an exclusive one") func sharersExcludeExclusive() throws {
    let first = try open()
    #expect(try first.lockShared())
    #expect(try open().lockShared())
    #expect(try !open().lockExclusively())
    withExtendedLifetime(first) {}
  }

  @Test("an exclusive holder excludes shared ones") func exclusiveExcludesSharers() throws {
    var alone: File? = try open()
    #expect(try alone!.lockExclusively())
    #expect(try !open().lockShared())
    alone = nil
    #expect(try open().lockShared())
  }

  @Test("looking at a lock does not take it") func lookingDoesNotLock() throws {
    let observer = try open()
    var alone: File? = try open()
    #expect(try alone!.lockExclusively())
    #expect(try observer.isLockedExclusively())
    alone = nil
    #expect(try !observer.isLockedExclusively())
    #expect(try open().lockExclusively(), "the observer holds nothing")
    withExtendedLifetime(observer) {}
  }

  @Test(
    "a claim is shared with its owner only",
    arguments: [(0, 1), (1, 0), (7, .max), (.max, 7), (41, 42)] as [(UInt64, UInt64)])
  func claimIsSharedWithOwnerOnly(mine: UInt64, other: UInt64) throws {
    var held: File? = try open()
    let second = try open()
    #expect(try held!.claim(for: mine))
    #expect(try second.claim(for: mine))
    #expect(try !open().claim(for: other))
    held = nil
    #expect(try !open().claim(for: other))
  }

  @Test("a claim ends with its last holder") func claimEndsWithLastHolder() throws {
    do {
      let held = try open()
      #expect(try held.claim(for: 1))
      // Closing another opening of the file releases nothing.
      _ = try open().status()
      #expect(try !open().claim(for: 2))
      withExtendedLifetime(held) {}
    }
    #expect(try open().claim(for: 2))
  }
}
