import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct FolderTests {
  let temporary: TestFolder
  var folder: Folder { temporary.folder }
  init() throws { temporary = TestFolder() }

  @Test("a path is created with all missing folders") func pathIsCreated() throws {
    let made = try Folder.create("\(temporary.path)/a/b//c/")
    #expect(try made.names().isEmpty)
    #expect(try folder.folder("a", creating: false).status("b")?.kind == .folder)
    _ = try Folder.create("\(temporary.path)/a/b/c")
    try temporary.write("a/file")
    #expect(failure { _ = try Folder.create("\(temporary.path)/a/file/x") }?.code == ENOTDIR)
    #expect(failure { _ = try Folder.create("") }?.code == ENOENT)
  }

  @Test(
    "a path is split at its last component",
    arguments: [("a", ".", "a"), ("/a", "/", "a"), ("a/b/", "a", "b"), ("/a//b", "/a/", "b")])
  func pathIsSplit(path: String, parent: String, name: String) {
    #expect(PathRule.split(path)?.parent == parent)
    #expect(PathRule.split(path)?.name == name)
    #expect(PathRule.split("/") == nil && PathRule.split("") == nil)
  }

  @Test("a subfolder is created on request only") func subfolderIsCreatedOnRequest() throws {
    #expect(failure { _ = try folder.folder("cat", creating: false) }?.code == ENOENT)
    let made = try folder.folder("cat", creating: true)
    #expect(made.path == "\(temporary.path)/cat")
    _ = try folder.folder("cat", creating: true)
    try temporary.write("file")
    #expect(failure { _ = try folder.folder("file", creating: true) }?.code == ENOTDIR)
  }

  @Test("symbolic links are not followed") func linksAreNotFollowed() throws {
    try temporary.write("real")
    try temporary.makeFolder("folder")
    try temporary.makeLink("file-link", to: "real")
    try temporary.makeLink("folder-link", to: "folder")
    #expect(failure { _ = try folder.file("file-link", .read) }?.code == ELOOP)
    #expect(failure { _ = try folder.file("file-link", .create) }?.code == ELOOP)
    #expect(failure { _ = try folder.folder("folder-link", creating: true) }?.code == ENOTDIR)
    #expect(try folder.status("file-link")?.kind == .symbolicLink)
    #expect(try folder.status("file-link", followingLinks: true)?.kind == .regular)
  }

  @Test("a name that is not one component is refused", arguments: ["", ".", "..", "a/b", "/a", "a\0b"])
  func nameMustBeOneComponent(name: String) throws {
    try temporary.makeFolder("a")
    #expect(failure { _ = try folder.file(name, .create) }?.code == EINVAL)
    #expect(failure { _ = try folder.folder(name, creating: true) }?.code == EINVAL)
    #expect(failure { _ = try folder.status(name) }?.code == EINVAL)
    #expect(failure { try folder.remove(name) }?.code == EINVAL)
    #expect(failure { try folder.rename("a", to: folder, as: name) }?.code == EINVAL)
  }

  @Test("a rename replaces or refuses, as asked") func renameReplacesOrRefuses() throws {
    try temporary.write("new", "new")
    try temporary.write("old", "old")
    let error = failure { try folder.rename("new", to: folder, as: "old", replacing: false) }
    #expect(error?.code == EEXIST)
    #expect(error?.subject == "\(temporary.path)/new to \(temporary.path)/old")
    #expect(try temporary.read("old") == "old")

    try folder.rename("new", to: folder, as: "old")
    #expect(try temporary.read("old") == "new")
    let other = try folder.folder("other", creating: true)
    try folder.rename("old", to: other, as: "free", replacing: false)
    #expect(try temporary.read("other/free") == "new")
    #expect(try folder.status("old") == nil)
  }

  @Test("a hard link replaces a rename that cannot refuse") func linkReplacesRename() throws {
    try temporary.write("new", "new")
    try temporary.write("old", "old")
    let other = try folder.folder("other", creating: true)
    #expect(failure { _ = try folder.renameByLink("new", to: folder, as: "old") }?.code == EEXIST)
    #expect(try temporary.read("old") == "old" && temporary.read("new") == "new")
    #expect(try folder.renameByLink("new", to: other, as: "free"))
    #expect(try temporary.read("other/free") == "new")
    #expect(try folder.status("new") == nil)
    // A folder cannot be hard linked.
    #expect(try !folder.renameByLink("other", to: folder, as: "another"))
    #expect(try folder.status("other")?.kind == .folder)
  }

  @Test("a missing name has no status, and removing it is no error") func missingNameIsNoError() throws {
    #expect(try folder.status("gone") == nil)
    try folder.remove("gone")
    try folder.removeFolder("gone")

    try temporary.write("a")
    try folder.remove("a")
    #expect(try folder.status("a") == nil)
    let full = try folder.folder("full", creating: true)
    try temporary.write("full/a")
    #expect(failure { try folder.removeFolder("full") }?.code == ENOTEMPTY)
    #expect(failure { try folder.remove("full") }?.code == EISDIR)
    try full.remove("a")
    try folder.removeFolder("full")
    #expect(try folder.status("full") == nil)
  }

  @Test("names are listed afresh each time, without those that are not UTF-8") func namesAreListedAfresh() throws {
    for name in ["a", "ü", ".hidden"] { try temporary.write(name) }
    let invalid: [CChar] = Array("\(temporary.path)/".utf8CString.dropLast()) + [-1, 0]
    try #require(mkdir(invalid, 0o700) == 0)
    #expect(Set(try folder.names()) == ["a", "ü", ".hidden"])
    #expect(Set(try folder.names()) == ["a", "ü", ".hidden"])
  }

  @Test("a folder and its file system are synced") func folderIsSynced() throws {
    try temporary.write("a")
    try folder.sync()
    try folder.syncFileSystem()
  }
}

@Suite struct FileSystemKindTests {
  @Test("the kernel's own file systems are recognized") func fileSystemsAreRecognized() throws {
    #expect(try Folder.open("/proc").fileSystem == .other(0x9FA0))
    #expect(try Folder.open("/dev/shm").fileSystem == .tmpfs)
  }

  @Test("a magic number with its sign bit set is the same") func signBitChangesNothing() {
    #expect(FileSystemKind(magic: Int(Int32(bitPattern: 0xFF53_4D42))) == .cifs)
    #expect(FileSystemKind(magic: 0x9123_683E) == .btrfs)
  }

  @Test("network file systems are shared, local ones are not") func networkFileSystemsAreShared() {
    for magic in [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x517B, 0x6573_5546, 0x0102_1997, 0x00C3_6400, 0x0BD0_0BD0] {
      #expect(FileSystemKind(magic: magic).isShared)
    }
    for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x9FA0] {
      #expect(!FileSystemKind(magic: magic).isShared)
    }
    #expect(!FileSystemKind.nfs.syncsAsAWhole && !FileSystemKind.overlay.syncsAsAWhole)
  }

  @Test("kernel versions are compared as numbers") func kernelVersionsAreNumbers() {
    #expect(KernelVersion(release: "5.10.0-8-amd64") > KernelVersion(release: "5.8.0"))
    #expect(KernelVersion(release: "5.8") >= KernelVersion(major: 5, minor: 8))
    #expect(KernelVersion(release: "4.19.0") < KernelVersion(major: 5, minor: 8))
    #expect(KernelVersion(release: "unknown") < KernelVersion(major: 1, minor: 0))
  }
}
