import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct FolderWalkerTests {
  let temporary: TestFolder
  init() throws { temporary = TestFolder() }

  private func paths(_ walker: FolderWalker) throws -> [String] {
    var paths: [String] = []
    while let next = walker.next() { paths.append(try next.get().string ?? "(not UTF-8)") }
    return paths
  }

  @Test("everything is found once, a folder before its content") func everythingIsFoundOnce() throws {
    try temporary.makeFolder("cat")
    try temporary.makeFolder("cat/old")
    for name in ["a", "cat/b", "cat/old/c", "z"] { try temporary.write(name) }
    let found = try paths(FolderWalker(root: temporary.path) { _ in true })
    #expect(found.sorted() == ["a", "cat", "cat/b", "cat/old", "cat/old/c", "z"])
    let order = ["cat", "cat/old", "cat/old/c"].map { found.firstIndex(of: $0)! }
    #expect(order == order.sorted())
  }

  @Test("a folder that is not entered is found without its content") func refusedFolderHasNoContent() throws {
    try temporary.makeFolder("skip")
    try temporary.makeFolder("keep")
    try temporary.write("skip/a")
    try temporary.write("keep/a")
    let found = try paths(FolderWalker(root: temporary.path) { $0 != "skip" })
    #expect(found.sorted() == ["keep", "keep/a", "skip"])
  }

  @Test("symbolic links are found and never entered") func linksAreNotEntered() throws {
    try temporary.makeFolder("real")
    try temporary.write("real/a")
    try temporary.makeLink("loop", to: ".")
    try temporary.makeLink("link", to: "real")
    var kinds: [String: FileStatus.Kind] = [:]
    let walker = try FolderWalker(root: temporary.path) { _ in true }
    while let next = walker.next() {
      let entry = try next.get()
      kinds[try #require(entry.string)] = entry.kind
    }
    #expect(kinds == ["real": .folder, "real/a": .regular, "loop": .symbolicLink, "link": .symbolicLink])
  }

  @Test("a name that is not UTF-8 is found and not entered") func nonUTF8NameIsNotEntered() throws {
    let invalid = Array(temporary.path.utf8) + [UInt8(ascii: "/"), 0xC3, 0x28]
    try #require(mkdir(invalid.map { CChar(bitPattern: $0) } + [0], 0o700) == 0)
    let inside = invalid + Array("/a".utf8)
    try #require(mkdir(inside.map { CChar(bitPattern: $0) } + [0], 0o700) == 0)
    var asked: [String] = []
    let walker = try FolderWalker(root: temporary.path) {
      asked.append($0)
      return true
    }
    let entry = try #require(try walker.next()?.get())
    #expect(entry.relativePath == [0xC3, 0x28] && entry.string == nil && entry.kind == .folder)
    #expect(walker.next() == nil)
    #expect(asked.isEmpty)
  }

  @Test("a folder that vanishes before it is entered is no failure") func vanishedFolderIsNoFailure() throws {
    for index in 0..<5 { try temporary.makeFolder("folder-\(index)") }
    let walker = try FolderWalker(root: temporary.path) { path in rmdir("\(temporary.path)/\(path)") == 0 }
    #expect(try paths(walker).count == 5)
  }

  @Test("a folder that becomes a link before it is entered is not entered") func exchangedFolderIsNotEntered() throws {
    try temporary.makeFolder("outside")
    try temporary.write("outside/a")
    try temporary.makeFolder("in")
    try temporary.makeFolder("in/victim")
    let walker = try FolderWalker(root: "\(temporary.path)/in") { path in
      rmdir("\(temporary.path)/in/\(path)") == 0 && symlink("../outside", "\(temporary.path)/in/\(path)") == 0
    }
    #expect(try paths(walker) == ["victim"])
  }

  @Test("a walk continues after a folder that vanishes while it is read") func walkSurvivesRemoval() throws {
    try temporary.makeFolder("gone")
    try temporary.makeFolder("gone/deep")
    let walker = try FolderWalker(root: temporary.path) { path in
      if path == "gone/deep" {
        rmdir("\(temporary.path)/gone/deep")
        rmdir("\(temporary.path)/gone")
      }
      return true
    }
    #expect(try paths(walker) == ["gone", "gone/deep"])
    #expect(walker.next() == nil)
  }

  @Test("an unreadable folder is a failure, and the walk continues") func unreadableFolderIsAFailure() throws {
    for name in ["closed", "open"] { try temporary.makeFolder(name) }
    try temporary.write("open/a")
    try #require(chmod(temporary.path, 0o755) == 0)
    try #require(chmod("\(temporary.path)/closed", 0) == 0)
    defer { chmod("\(temporary.path)/closed", 0o700) }
    // Root may read everything, so this thread becomes another user meanwhile.
    if geteuid() == 0 { _ = setfsuid(65_534) }
    defer { if geteuid() == 0 { _ = setfsuid(0) } }

    let walker = try FolderWalker(root: temporary.path) { _ in true }
    var failures: [SystemError] = []
    var found: Set<String> = []
    while let next = walker.next() {
      switch next {
      case .success(let entry): found.insert(try #require(entry.string))
      case .failure(let error): failures.append(error)
      }
    }
    #expect(failures.map(\.code) == [EACCES])
    #expect(failures.first?.subject == "\(temporary.path)/closed")
    #expect(found == ["closed", "open", "open/a"])
  }

  @Test("a tree of 200 levels is walked to its end") func deepTreeIsWalked() throws {
    var folder = temporary.folder
    for _ in 0..<200 { folder = try folder.folder("0123456789012345678901234567890123456789", creating: true) }
    _ = try folder.file("leaf", .createNew)
    let found = try paths(FolderWalker(root: temporary.path) { _ in true })
    #expect(found.count == 201)
    // Longer than the kernel's limit for a path.
    #expect(found.last?.utf8.count == 200 * 41 + 4)
  }

  @Test("a missing root is an error that names it") func missingRootIsNamed() {
    let error = failure { _ = try FolderWalker(root: "\(temporary.path)/none") { _ in true } }
    #expect(error?.code == ENOENT && error?.subject == "\(temporary.path)/none")
  }

  @Test("the root may be a symbolic link") func rootMayBeALink() throws {
    try temporary.makeFolder("real")
    try temporary.write("real/a")
    try temporary.makeLink("link", to: "real")
    #expect(try paths(FolderWalker(root: "\(temporary.path)/link") { _ in true }) == ["a"])
  }

  @Test("thousands of files in one folder are all found") func manyFilesAreFound() throws {
    for index in 0..<5000 { try #require(mknod("\(temporary.path)/\(index)", S_IFREG | 0o600, 0) == 0) }
    #expect(Set(try paths(FolderWalker(root: temporary.path) { _ in true })).count == 5000)
  }
}

// setfsuid(2) changes one thread only, unlike seteuid. It is missing in Swift's Glibc.
@_silgen_name("setfsuid")
private func setfsuid(_ user: uid_t) -> CInt
