import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import Page
@testable import Platform

/// The bytes of pictures in a bucket.
@Suite(OwnThread(), .onStores) struct BucketPictureTests {
  /// Stores one image and waits until the page lists it.
  private func stored(
    _ store: TestStore, _ name: String, _ content: [UInt8], through address: String? = nil,
    _ body: (PageBucket, Int64) throws -> Void
  ) throws {
    try PageBucket.with(store, through: address) { bucket in
      try bucket.store([(name, content)])
      #expect(eventually { try bucket.id(name) != nil })
      try body(bucket, try #require(try bucket.id(name)))
    }
  }

  @Test("a picture is sent as it was stored, whole or in part", arguments: TestStore.all)
  func bytes(_ store: TestStore) throws {
    let png = try ImageSamples.bytes("shapes/sunflower.png")
    try stored(store, "shapes/sun flower\u{E9}.png", png) { bucket, id in
      let whole = try bucket.page.get("/pictures/\(id)")
      #expect(whole.status == 200 && whole.body == png)
      #expect(whole.headers["content-type"] == "image/png")
      #expect(whole.headers["content-disposition"]?.hasPrefix("inline; filename=\"sun flower") == true)
      #expect(whole.headers["content-security-policy"]?.contains("sandbox") == true)
      let part = try bucket.page.get("/pictures/\(id)", ["Range": "bytes=1-3"])
      #expect(part.status == 206 && part.text == "PNG")
      #expect(part.headers["content-range"] == "bytes 1-3/\(png.count)")
      let download = try bucket.page.get("/pictures/\(id)?download=1")
      #expect(download.headers["content-disposition"]?.hasPrefix("attachment") == true)
    }
  }

  @Test("a picture that is too large is not downloaded", arguments: TestStore.all)
  func largePicture(_ store: TestStore) throws {
    let proxy = try StoreProxy(to: store.endpoint) { _ in .pass }
    defer { proxy.close() }
    try stored(store, "large.png", Array(repeating: 1, count: 1 << 20 + 1), through: proxy.address) { bucket, id in
      let answer = try bucket.page.get("/pictures/\(id)")
      #expect(answer.status == 507)
      #expect(proxy.requests.allSatisfy { !$0.target.hasSuffix("/large.png") })
    }
  }

  @Test("bytes that are no picture are a download", arguments: TestStore.all) func noPicture(_ store: TestStore) throws
  {
    try stored(store, "a.svg", Array("<svg onload='alert(1)'/>".utf8)) { bucket, id in
      let answer = try bucket.page.get("/pictures/\(id)")
      #expect(answer.headers["content-type"] == "application/octet-stream")
      #expect(answer.headers["content-disposition"]?.hasPrefix("attachment") == true)
    }
  }

  @Test("a picture in the browser's cache is neither read nor sent again", arguments: TestStore.all)
  func unchanged(_ store: TestStore) throws {
    let proxy = try StoreProxy(to: store.endpoint) { _ in .pass }
    defer { proxy.close() }
    let png = try ImageSamples.bytes("shapes/sunflower.png")
    try stored(store, "sun.png", png, through: proxy.address) { bucket, id in
      let reads = { proxy.requests.count { $0.target.hasSuffix("/sun.png") } }
      let tag = try #require(try bucket.page.get("/pictures/\(id)").headers["etag"])
      #expect(tag == "\"\(png.withUnsafeBytes { SHA256.hash($0) }.hex)\"")
      let before = reads()
      let answer = try bucket.page.get("/pictures/\(id)", ["If-None-Match": tag])
      #expect(answer.status == 304 && answer.body == [] && answer.headers["etag"] == tag)
      #expect(answer.headers["content-type"] == "image/png")
      #expect(reads() == before && before == 1)
    }
  }

  @Test("an altered object has a tag of its own, so no browser keeps it for the picture", arguments: TestStore.all)
  func alteredTag(_ store: TestStore) throws {
    try stored(store, "a.jpg", Array("content".utf8)) { bucket, id in
      try bucket.put("a.jpg", "altered")
      let answer = try bucket.page.get("/pictures/\(id)")
      #expect(answer.text == "altered" && answer.headers["etag"] == "\"\(digest(of: "altered").hex)\"")
    }
  }

  @Test("an object is read and compared with its hash", arguments: TestStore.all)
  func verification(_ store: TestStore) throws {
    try stored(store, "cat/1.jpg", Array("content".utf8)) { bucket, id in
      let sound = try #require(try bucket.page.verify(id))
      #expect(sound["result"] == "unchanged" && sound["bytes"] == "7")
      try bucket.put("cat/1.jpg", "altered")
      let altered = try #require(try bucket.page.verify(id))
      #expect(altered["result"] == "altered" && altered["sha256"] == digest(of: "altered").hex)
      #expect(altered["expected"] == digest(of: "content").hex)
      try bucket.remove("cat/1.jpg")
      #expect(try bucket.page.verify(id)?["result"] == "missing")
      #expect(try bucket.page.get("/pictures/\(id)").status == 404)
    }
  }

  @Test("a newer version that the copied log does not have yet is not called altered", arguments: TestStore.all)
  func newerObject(_ store: TestStore) throws {
    var pace = PageBucket.pace
    // It does not follow.
    pace.attention = .zero
    try PageBucket.with(store, pace: pace) { bucket in
      try bucket.store("cat/1.jpg", "old")
      #expect(eventually { try bucket.id("cat/1.jpg") != nil })
      let id = try #require(try bucket.id("cat/1.jpg"))
      try bucket.store("cat/1.jpg", "newer")
      #expect(try bucket.page.verify(id)?["result"] == "replaced")
    }
  }

  @Test("an object whose connection breaks is read again from its beginning", arguments: TestStore.all)
  func brokenConnection(_ store: TestStore) throws {
    let content = [UInt8](repeating: 7, count: 300_000)
    let isFirst = Atomic(true)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      request.target.hasSuffix("/a.jpg") && isFirst.exchange(false, ordering: .relaxed)
        ? .cutAnswer(after: 100_000) : .pass
    }
    defer { proxy.close() }
    try stored(store, "a.jpg", content, through: proxy.address) { bucket, id in
      let answer = try bucket.page.get("/pictures/\(id)")
      #expect(answer.body == content)
      #expect(proxy.requests.count { $0.target.hasSuffix("/a.jpg") } == 2)
    }
  }
}
