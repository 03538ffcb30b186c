import Glibc
import TestSupport
import Testing

@testable import Platform

private let arePossible = {
  let scratch = TestFolder()
  return withExtendedLifetime(scratch) { scratch.folder.allowsUnnamedFiles(trial: "trial") }
}()

@Suite(.enabled(if: arePossible, "the file system of the tests has no files without names"))
struct UnnamedFileTests {
  private let scratch = TestFolder()

  @Test("a file without a name is in no folder until it gets one") func fileIsInNoFolder() throws {
    let file = try scratch.folder.unnamedFile()
    try Array("image".utf8).withUnsafeBytes { try file.write($0, at: 0) }
    #expect(try scratch.folder.names() == [] && file.linkCount() == 0)
    let target = try scratch.makeFolder("target")
    try file.link(to: target, as: "a.jpg")
    #expect(try scratch.read("target/a.jpg") == "image" && file.linkCount() == 1)
    #expect(try target.status("a.jpg")?.isSameFile(as: file.status()) == true)
  }

  @Test("a name that is taken is refused") func takenNameIsRefused() throws {
    try scratch.write("a.jpg", "former")
    let file = try scratch.folder.unnamedFile()
    #expect(failure { try file.link(to: scratch.folder, as: "a.jpg") }?.code == EEXIST)
    #expect(failure { try file.link(to: scratch.folder, as: "a/b") }?.code == EINVAL)
    #expect(try scratch.read("a.jpg") == "former")
  }

  @Test("a trial leaves nothing, even where an earlier one was interrupted") func trialLeavesNothing() throws {
    try scratch.write("trial", "")
    #expect(scratch.folder.allowsUnnamedFiles(trial: "trial"))
    #expect(try scratch.folder.names() == [])
  }

  @Test("the name can be given through /proc, which older kernels need") func nameCanBeGivenThroughProc() throws {
    let file = try scratch.folder.unnamedFile()
    try file.linkThroughProc(to: scratch.folder, as: "a.jpg")
    #expect(try scratch.folder.names() == ["a.jpg"] && file.linkCount() == 1)
  }
}
