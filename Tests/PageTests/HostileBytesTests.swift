import Glibc
import TestSupport
import Testing

@testable import Output
@testable import Page
@testable import Platform

/// Names and bytes of people who can write to the topic, and links of people who can write to the output.
@Suite struct HostileBytesTests {
  static let names = [
    "<script>alert(1)</script>.jpg", "\"><img src=x onerror=alert(1)>.png", "' onmouseover='alert(1).gif",
    "&lt;b&gt;.jpg", "a\nSet-Cookie: x=1.jpg", "a\r\n\r\n<html>.jpg", "\u{202E}gpj.exe", "\u{2066}x\u{2069}.jpg",
    "{{constructor.constructor('alert(1)')()}}.jpg", "${alert(1)}.png", "javascript:alert(1).jpg", "a\u{0}b.jpg",
    "../../../etc/passwd", "..\\..\\x.jpg", "%2e%2e%2fx.jpg", "con.jpg", ".hidden", "-rf.jpg", "a;b|c&d`e$(f).jpg",
    "\u{FEFF}x.jpg", "e\u{301}\u{301}\u{301}.jpg", "\u{1F600}.png", "</script><script>alert(1)//.jpg",
    "cat/]]>.jpg", "<svg onload=alert(1)>/x.jpg", String(repeating: "ä", count: 120) + ".jpg",
    (0..<11).map { _ in String(repeating: "x", count: 250) }.joined(separator: "/") + "/end.jpg",
  ]

  @Test("a name is data wherever it appears", arguments: Self.names) func hostileNames(name: String) throws {
    let output = try PageOutput()
    let id = try output.store(name, "x", writesFile: false)
    let client = PageClient(output.path)
    let details = try client.get("/api/pictures/\(id)")
    #expect(details.status == 200 && details.headers["content-type"] == "application/json")
    #expect(details.json?["name"] == name, "\(details.text)")
    for path in ["/api/pictures", "/api/labels"] {
      let answer = try client.get(path)
      #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
      // One line, so that it cannot end an event of a stream either.
      #expect(!answer.body.contains { $0 < 0x20 || $0 == 0x7F }, "\(answer.text)")
    }
  }

  @Test("a name for a download is harmless", arguments: Self.names) func downloadNames(name: String) {
    let value = PictureFormat.disposition(name, isAttachment: true)
    #expect(
      value.hasPrefix("attachment; filename=\"") && value.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(value)")
    let file = value.split(separator: "\"")[1]
    #expect(!file.isEmpty && !file.hasPrefix(".") && !file.contains { "/\\:<>|*?;%".contains($0) }, "\(value)")
    #expect([".jpg", ".png", ".gif", ".bin"].contains { file.hasSuffix($0) }, "\(value)")
  }

  @Test("good names are kept for a download") func goodDownloadNames() {
    #expect(
      PictureFormat.disposition("cat/Größe 1.JPG", isAttachment: false)
        == "inline; filename=\"Gr____e 1.JPG\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.JPG")
  }

  static let html = "<!doctype html><script>alert(document.domain)</script>"
  static let svg =
    "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"

  @Test(
    "files that lie about their type are downloads, whatever their name",
    arguments: [
      Self.html, Self.svg, "\u{FEFF}" + Self.html, "%PDF-1.4 <script>", "II*\u{0}" + Self.html, "    \n" + Self.html,
      "", "GIF", "RIFFxxxxWAVE",
    ],
    ["x.jpg", "x.svg", "x.html", "x.png"])
  func lyingFiles(content: String, name: String) throws {
    let output = try PageOutput()
    let id = try output.store(name, content)
    let answer = try PageClient(output.path).get("/pictures/\(id)")
    #expect(answer.status == 200 && answer.headers["content-type"] == "application/octet-stream")
    #expect(answer.headers["content-disposition"]?.hasPrefix("attachment") == true)
    #expect(answer.headers["x-content-type-options"] == "nosniff")
    #expect(answer.headers["content-security-policy"]?.contains("sandbox") == true)
  }

  @Test("a file that is two things at once is sent as a picture only") func polyglots() throws {
    let output = try PageOutput()
    let id = try output.store("x.html", "GIF89a/*" + Self.html + "*/=1;alert(1)")
    let answer = try PageClient(output.path).get("/pictures/\(id)")
    #expect(answer.headers["content-type"] == "image/gif" && answer.headers["x-content-type-options"] == "nosniff")
    #expect(answer.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'")
  }

  @Test(
    "the type comes from the bytes",
    arguments: [
      ("shapes/sunflower.png", "image/png"), ("shapes/lissajous.jpeg", "image/jpeg"), ("orbits.gif", "image/gif"),
      ("shapes/stained glass.webp", "image/webp"), ("shapes/tiles.bmp", "image/bmp"),
    ])
  func types(sample: String, type: String) throws {
    let output = try PageOutput()
    let bytes = try ImageSamples.bytes(sample)
    let id = try output.store("x.svg", bytes)
    let client = PageClient(output.path)
    let answer = try client.get("/pictures/\(id)")
    #expect(answer.headers["content-type"] == type && answer.body == bytes)
    #expect(answer.headers["content-disposition"]?.hasPrefix("inline") == true)
    let download = try client.get("/pictures/\(id)?download=1")
    #expect(download.headers["content-disposition"]?.hasPrefix("attachment") == true)
  }

  // MARK: Paths

  @Test(
    "a path that is not exactly a picture's leads nowhere",
    arguments: [
      "/pictures/", "/pictures/../1", "/pictures/%2e%2e/1", "/pictures/1/", "/pictures/1/../1", "/pictures//1",
      "//pictures/1", "/pictures/1%2F..%2F..%2Fsecret", "/pictures/+1x", "/pictures/0x1", "/pictures/1.0",
      "/pictures/99999999999999999999", "/pictures/-1", "/pictures/1;x", "/out/a.jpg", "/../secret", "/%2e%2e/secret",
      "/api/pictures/1/verify/", "/api/pictures/1/x", "/api//pictures", "/page.js/", "/Page.js",
    ])
  func otherPaths(path: String) throws {
    let output = try PageOutput()
    try output.folder.write("secret", "secret")
    try output.store("a.jpg")
    let answer = try PageClient(output.path).get(path, ["X-Image-Pipeline": "1"])
    #expect(answer.status == 404 && !answer.text.contains("secret"), "\(answer.text)")
  }

  @Test("a link in the output is not followed, neither a file's nor a folder's") func links() throws {
    let output = try PageOutput()
    let folder = output.folder
    try folder.write("outside/1.jpg", "secret")
    try folder.makeFolder("out/folder")
    let file = try output.store("file.jpg", "secret", writesFile: false)
    let inside = try output.store("cat/1.jpg", "secret", writesFile: false)
    let dangling = try output.store("folder/gone.jpg", "secret", writesFile: false)
    try folder.makeLink("out/file.jpg", to: folder / "outside/1.jpg")
    try folder.makeLink("out/cat", to: folder / "outside")
    try folder.makeLink("out/folder/gone.jpg", to: "nowhere")
    let client = PageClient(output.path)
    for id in [file, inside, dangling] {
      #expect(try client.get("/pictures/\(id)").status == 404)
      #expect(try client.verify(id)?["result"] == "missing")
    }
  }

  @Test("what is not a regular file is not read") func specialFiles() throws {
    let output = try PageOutput()
    let pipe = try output.store("pipe.jpg", "x", writesFile: false)
    #expect(mkfifo(output.path + "/pipe.jpg", 0o600) == 0)
    let folder = try output.store("folder.jpg", "x", writesFile: false)
    try output.folder.makeFolder("out/folder.jpg")
    let client = PageClient(output.path)
    for id in [pipe, folder] { #expect(try client.get("/pictures/\(id)").status == 404) }
  }

  @Test(
    "a catalog that somebody has altered leads nowhere outside the output",
    arguments: ["../secret", "/etc/passwd", "cat/../../secret", ".image-pipeline/catalog.sqlite", "", "a//b", "./a"])
  func alteredCatalog(name: String) throws {
    let output = try PageOutput()
    try output.folder.write("secret", "secret")
    let id = try output.store(name, "secret", writesFile: false)
    let client = PageClient(output.path)
    #expect(try client.get("/pictures/\(id)").status == 404)
    #expect(try client.verify(id)?["result"] == "missing")
  }

  @Test("an output that is a link itself is followed: somebody has configured it") func linkedOutput() throws {
    let output = try PageOutput()
    let id = try output.store("a.jpg", "content")
    try output.folder.makeLink("link", to: "out")
    #expect(try PageClient(output.folder / "link").get("/pictures/\(id)").text == "content")
  }
}
