import TestSupport
import Testing

@testable import Platform

/// Which paths a glob pattern matches.
@Suite struct PathPatternTests {
  private func matches(_ pattern: String, _ path: String) throws -> Bool {
    // A folder's path ends in a slash here.
    let isFolder = path.hasSuffix("/")
    return try PathPattern(pattern).matches(isFolder ? String(path.dropLast()) : path, isFolder: isFolder)
  }

  @Test(
    "a pattern matches",
    arguments: [
      // Without a slash: a name at any depth, file or folder.
      ("raw", "raw"), ("raw", "raw/"), ("raw", "a/b/raw"), ("*_small.jpg", "cat/a_small.jpg"), ("?.jpg", "a.jpg"),
      ("[ab]*.jpg", "b1.jpg"), ("[!ab].jpg", "c.jpg"), ("a b", "x/a b"), ("*.JPG", "A.JPG"),
      // With a slash: the whole path.
      ("cat/raw", "cat/raw"), ("cat/*.jpg", "cat/a.jpg"), ("/a.jpg", "a.jpg"), ("./cat/raw", "cat/raw"),
      ("cat//raw", "cat/raw"),
      // Only folders.
      ("raw/", "raw/"), ("raw/", "a/raw/"), ("a/raw/", "a/raw/"),
      // Across folders.
      ("**/raw", "raw"), ("**/raw", "a/b/raw"), ("raw/**", "raw/a/b.jpg"), ("raw/**", "raw/"),
      ("a/**/b.jpg", "a/b.jpg"),
      ("a/**/b.jpg", "a/x/y/b.jpg"), ("**/2024/**/*.jpg", "x/2024/y/z/a.jpg"), ("a/**/**/b", "a/b"),
      ("**.jpg", "cat/a.jpg"),
      // Characters, not bytes.
      ("?.jpg", "\u{E9}.jpg"), ("[\u{E9}\u{E8}].jpg", "\u{E8}.jpg"), ("??", "\u{5199}\u{771F}"),
      // Escaped characters.
      ("a\\*.jpg", "a*.jpg"), ("\\[1].jpg", "[1].jpg"), ("[[]1].jpg", "[1].jpg"), ("a\\,b", "a,b"), ("\\!a", "!a"),
      ("\\{a", "{a"),
      ("[{]a", "{a"), ("#1", "#1"), (".*", ".hidden"),
    ])
  func patternMatches(pattern: String, path: String) throws { #expect(try matches(pattern, path)) }

  @Test(
    "a pattern does not match",
    arguments: [
      ("raw", "raw.jpg"), ("raw", "raw/a.jpg"), ("*.jpg", "a.JPG"), ("raw/", "raw"), ("raw/", "a/raw"),
      ("cat/raw", "a/cat/raw"),
      ("cat/*.jpg", "cat/b/a.jpg"), ("*/a.jpg", "a.jpg"), ("/a.jpg", "cat/a.jpg"), ("raw/**", "raw"),
      ("raw/**", "a/raw/b"),
      ("a/**/b", "a/x"), ("**/raw", "raw/a.jpg"), ("a*b", "a/b"), ("?", "\u{E9}x"),
    ])
  func patternDoesNotMatch(pattern: String, path: String) throws { #expect(try !matches(pattern, path)) }

  @Test(
    "a pattern that can match nothing sensible is refused",
    arguments: [
      "", "/", "*", "**", "**/*", "*/**", "..", "a/../b", "a\\b", "raw\\old", "a\\", "[ab", "a[/]b", "{a}", "*.{a",
      "a}", "!a", "a;b", ".",
    ])
  func meaninglessPatternIsRefused(pattern: String) {
    #expect(throws: PathPattern.Fault.self) { try PathPattern(pattern) }
  }

  @Test("a long path with many stars is matched quickly")
  func longPathIsFast() throws {
    let path = String(repeating: "a/", count: 200) + "b"
    let begun = ContinuousClock.now
    #expect(try !matches("**/a/**/a/**/c", path))
    #expect(ContinuousClock.now - begun < .seconds(10))
  }
}
