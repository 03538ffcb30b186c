import TestSupport
import Testing

@testable import Producer

@Suite struct FileStampTests {
  @Test("a stamp tells versions apart") func stampTellsVersionsApart() throws {
    let scratch = TestFolder()
    try scratch.write("a", "one")
    let before = FileStamp(try scratch.status("a"))
    #expect(FileStamp(try scratch.status("a")) == before)
    try scratch.write("a", "three")
    #expect(FileStamp(try scratch.status("a")) != before)
    let other = FileStamp(
      size: before.size, modified: before.modified, changed: before.changed, inode: before.inode + 1)
    #expect(other != before)
  }
}
