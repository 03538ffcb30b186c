import TestSupport
import Testing

@testable import Page
@testable import Platform
@testable import Telemetry

@Suite struct PageHandlerTests {
  @Test("the page, its style and its script are served, and stay small") func resources() throws {
    let client = PageClient("/nowhere")
    let html = try client.get("/")
    #expect(html.status == 200 && html.headers["content-type"] == "text/html; charset=utf-8")
    #expect(html.text.contains("<script type=\"module\" src=\"/page.js\">"))
    #expect(try client.get("/page.css").headers["content-type"] == "text/css; charset=utf-8")
    #expect(try client.get("/page.js").headers["content-type"] == "text/javascript; charset=utf-8")
    let size = try ["/", "/page.css", "/page.js"].map { try client.get($0).body.count }.reduce(0, +)
    #expect(size < 100_000)
    let tag = try #require(html.headers["etag"])
    #expect(try client.get("/", ["If-None-Match": tag]).status == 304)
  }

  @Test("the page holds no script or style that the policy would not allow, and nothing from elsewhere") func policy()
    throws
  {
    let client = PageClient("/nowhere")
    let html = try client.get("/").text
    for inline in ["<script>", "<style", " style=", " onclick=", " onload=", "javascript:"] {
      #expect(!html.contains(inline), "\(inline)")
    }
    let all = try ["/", "/page.css", "/page.js"].map { try client.get($0).text }.joined()
    for way in ["http://", "https://", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
      #expect(!all.contains(way), "\(way)")
    }
  }

  @Test(
    "every answer has the headers that protect it", arguments: ["/", "/page.js", "/api/pictures", "/pictures/1", "/x"])
  func protection(path: String) throws {
    let output = try PageOutput()
    try output.store("cat/1.jpg")
    let answer = try PageClient(output.path).get(path)
    let policy = try #require(answer.headers["content-security-policy"])
    #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"))
    #expect(!policy.contains("unsafe"))
    #expect(answer.headers["x-content-type-options"] == "nosniff")
    #expect(answer.headers["referrer-policy"] == "no-referrer")
    #expect(answer.headers["cross-origin-resource-policy"] == "same-origin")
    #expect(answer.headers["access-control-allow-origin"] == nil)
    #expect(path.hasPrefix("/pictures/") == policy.contains("sandbox"))
  }

  @Test(
    "a host that is not the page's is refused",
    arguments: [
      "evil.example", "localhost.evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::2]",
      "localhost@x",
    ])
  func foreignHosts(host: String) throws {
    let answer = try PageClient("/nowhere", hosts: ["pictures.example"]).get("/", host: host)
    #expect(answer.status == 421 && answer.text.contains("PAGE_HOSTS"))
  }

  @Test(
    "this machine's names and those of PAGE_HOSTS are the page's",
    arguments: [
      "localhost", "LOCALHOST:1234", "127.0.0.1:8080", "[::1]:8080", "Pictures.Example", "pictures.example:443",
    ])
  func ownHosts(host: String) throws {
    #expect(try PageClient("/nowhere", hosts: ["pictures.example"]).get("/", host: host).status == 200)
  }

  @Test("other sites may link to the page, and use nothing else of it") func otherSites() throws {
    let client = PageClient("/nowhere")
    for site in ["cross-site", "same-site"] {
      #expect(try client.get("/", ["Sec-Fetch-Site": site]).status == 200)
      for path in ["/api/pictures", "/pictures/1", "/events", "/page.js"] {
        #expect(try client.get(path, ["Sec-Fetch-Site": site]).status == 403)
      }
    }
    #expect(try client.get("/api/pictures", ["Sec-Fetch-Site": "same-origin"]).status == 200)
    #expect(try client.get("/api/pictures", ["Sec-Fetch-Site": "none"]).status == 200)
  }

  @Test("an output that does not exist is an empty list") func emptyList() throws {
    let client = PageClient("/nowhere")
    let answer = try client.get("/api/pictures")
    #expect(answer.text == "{\"catalog\":{\"id\":\"\",\"newest\":0},\"next\":null,\"pictures\":[]}")
    #expect(try client.get("/api/labels").text == "{\"more\":false,\"labels\":[]}")
    #expect(try client.get("/pictures/1").status == 404)
  }

  @Test("lists take what is asked for, within bounds") func lists() throws {
    let output = try PageOutput()
    try output.store((1...300).map { "cat/\($0).jpg" } + ["dog/x.jpg"])
    let client = PageClient(output.path)
    func count(_ query: String) throws -> Int {
      try client.get("/api/pictures?" + query).text.split(separator: "\"id\":", omittingEmptySubsequences: false).count
        - 2
    }
    #expect(try count("") == 100 && count("limit=5") == 5)
    #expect(try count("limit=1000000") == 200 && count("limit=0") == 1 && count("limit=-1") == 1)
    #expect(try count("label=dog") == 1 && count("q=300") == 1 && count("label=dog&q=300") == 0)
    #expect(try count("before=11") == 10 && count("before=nonsense") == 100)
    #expect(try count("same=301") == 1)
    #expect(try client.get("/api/pictures?same=999").status == 404)
  }

  @Test("one picture has all its facts") func facts() throws {
    let output = try PageOutput()
    let id = try output.store("cat/1.jpg", "content")
    let json = try #require(try PageClient(output.path).get("/api/pictures/\(id)").json)
    #expect(
      json.has([
        "name": "cat/1.jpg", "label": "cat", "bytes": "7", "sha256": digest(of: "content").hex, "topic": "t",
        "partition": "0", "offset": "1", "sent": "1000", "stored": "2000", "current": "true",
        "path": "processed_images/cat/1.jpg",
      ]), "\(json)")
  }

  // MARK: Verify

  @Test("an image that a consumer is replacing is not called altered") func replacementIsNoDamage() throws {
    let output = try PageOutput()
    let id = try output.store("cat/1.jpg", "content")
    let client = PageClient(output.path, patience: .seconds(30))
    // A consumer moves the file first.
    try output.folder.write("out/cat/1.jpg", "newer")
    let handler = client.handler
    let verdict = BackgroundTask {
      handler.answer(
        try HTTPRequest(
          head: Array("GET /api/pictures/\(id)/verify HTTP/1.1\r\nHost: localhost\r\nX-Image-Pipeline: 1\r\n\r\n".utf8))
      )
    }
    try output.store("cat/1.jpg", "newer", writesFile: false)
    guard case .bytes(let body) = try verdict.finish().body else { throw PageClient.NoAnswer() }
    #expect(String(decoding: body, as: UTF8.self).contains("\"result\":\"replaced\""))
  }

  @Test("a file is compared with its hash") func verification() throws {
    let output = try PageOutput()
    let id = try output.store("cat/1.jpg", "content")
    let client = PageClient(output.path)
    #expect(try client.verify(id)?["result"] == "unchanged")
    try output.folder.write("out/cat/1.jpg", "altered")
    let altered = try #require(try client.verify(id))
    #expect(altered["result"] == "altered" && altered["sha256"] == digest(of: "altered").hex)
    #expect(altered["expected"] == digest(of: "content").hex)
    try output.folder.remove("out/cat/1.jpg")
    #expect(try client.verify(id)?["result"] == "missing")
    try output.store("cat/1.jpg", "newer")
    #expect(try client.verify(id)?["result"] == "replaced")
  }

  @Test("only a script of the page can have a file verified") func verificationNeedsHeader() throws {
    let output = try PageOutput()
    let id = try output.store("cat/1.jpg", "content")
    #expect(try PageClient(output.path).get("/api/pictures/\(id)/verify").status == 403)
  }

  @Test("a picture that was replaced has no bytes any more") func replacedPicture() throws {
    let output = try PageOutput()
    let old = try output.store("cat/1.jpg", "old")
    let new = try output.store("cat/1.jpg", "new")
    let client = PageClient(output.path)
    #expect(try client.get("/pictures/\(old)").status == 410)
    #expect(try client.get("/pictures/\(new)").text == "new")
  }

  @Test("the tag of a picture changes with its file") func tags() throws {
    let output = try PageOutput()
    let id = try output.store("cat/1.png", try ImageSamples.bytes("shapes/sunflower.png"))
    let client = PageClient(output.path)
    let tag = try #require(try client.get("/pictures/\(id)").headers["etag"])
    #expect(try client.get("/pictures/\(id)", ["If-None-Match": tag]).status == 304)
    try output.folder.setTime(of: "out/cat/1.png", nanoseconds: 5)
    #expect(try client.get("/pictures/\(id)", ["If-None-Match": tag]).status == 200)
    #expect(try client.get("/pictures/\(id)", ["Range": "bytes=1-3"]).text == "PNG")
  }

  @Test("a catalog that cannot be read is reported, and logged") func damagedCatalog() throws {
    let folder = TestFolder()
    try folder.write("out/.image-pipeline/catalog.sqlite", String(repeating: "no database ", count: 1_000))
    let client = PageClient(folder / "out")
    let answer = try client.get("/api/pictures")
    #expect(answer.status == 503 && answer.text.contains("image-pipeline repair"), "\(answer.text)")
    #expect(client.log.entries.hasEvent("page_request_failed"))
  }
}
