import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct TemporaryFolderTests {
  private let scratch = TestFolder()

  @Test("a folder is removed with everything in it") func folderIsRemoved() throws {
    let folder = try TemporaryFolder(in: scratch.path)
    _ = try Folder.create(folder.path + "/a/b")
    folder.remove()
    #expect(try scratch.names() == [])
  }

  @Test("a folder that nobody uses any more is removed when the next one is made") func abandonedFolderIsRemoved()
    throws
  {
    let used = try TemporaryFolder(in: scratch.path)
    // As the kernel does at the end of a process, this ends the lock and leaves the folder.
    var abandoned: TemporaryFolder? = try TemporaryFolder(in: scratch.path)
    _ = try Folder.create(abandoned!.path + "/a/b")
    abandoned = nil
    try scratch.write("image-pipeline.txt", "not a folder")
    #expect(try scratch.names().count == 3)
    // Somebody else's: without the mark, and one that a link leads to.
    try scratch.write("image-pipeline.backup/a", "kept")
    try scratch.write("image-pipeline.backupofmine/a", "kept")
    try scratch.write("elsewhere/.temporary-folder-of-image-pipeline", "")
    symlink(scratch / "elsewhere", scratch / "image-pipeline.link12")
    let next = try TemporaryFolder(in: scratch.path)
    #expect(try scratch.text("image-pipeline.backup/a") == "kept" && scratch.names("elsewhere").count == 1)
    let others = ["image-pipeline.backup", "image-pipeline.backupofmine", "elsewhere", "image-pipeline.link12"]
    let kept = [used, next].map { String($0.path.dropFirst(scratch.path.count + 1)) } + ["image-pipeline.txt"] + others
    #expect(try scratch.names() == kept.sorted())
  }
}
