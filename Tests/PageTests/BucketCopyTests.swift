import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import Page
@testable import Platform

/// The page of an output in a bucket follows what consumers store.
@Suite(OwnThread(), .onStores) struct BucketCopyTests {
  @Test("pictures appear as a consumer stores them, also those of new partitions", arguments: TestStore.all)
  func newPictures(_ store: TestStore) throws {
    try PageBucket.with(store) { bucket in
      try bucket.store("cat/1.jpg", "one")
      #expect(eventually { try bucket.names() == ["cat/1.jpg"] })
      try bucket.store("cat/2.jpg", "two")
      #expect(eventually { try bucket.names() == ["cat/2.jpg", "cat/1.jpg"] })
      try bucket.store("dog/3.jpg", "three", partition: 5)
      #expect(eventually { try bucket.names() == ["dog/3.jpg", "cat/2.jpg", "cat/1.jpg"] })
      #expect(try bucket.page.get("/api/labels").text == #"{"more":false,"labels":[{"name":"cat"},{"name":"dog"}]}"#)
      let json = try #require(try bucket.page.get("/api/pictures/1").json)
      let path = "\(bucket.layout.address)/cat/1.jpg"
      #expect(json.has(["name": "cat/1.jpg", "current": "true", "path": path, "sha256": digest(of: "one").hex]))
    }
  }

  @Test("a listener hears of new pictures, and the replaced version is marked", arguments: TestStore.all)
  func events(_ store: TestStore) throws {
    try PageBucket.with(store) { bucket in
      try bucket.store("cat/1.jpg", "old")
      let stop = StopFlag()
      let (feed, client) = (bucket.page.feed, StreamClient())
      let thread = BackgroundThread.start("feed") { feed.run(until: stop) }
      defer {
        stop.set()
        thread.join()
      }
      feed.add(client.stream, after: 0)
      #expect(eventually { client.has("stored", id: "1") }, "\(client.text)")
      try bucket.store("cat/1.jpg", "new")
      #expect(eventually { client.has("stored", id: "2") }, "\(client.text)")
      #expect(try bucket.page.get("/api/pictures/1").json?["current"] == "false")
      #expect(try bucket.page.get("/pictures/1").status == 410)
      #expect(try bucket.page.get("/pictures/2").text == "new")
    }
  }

  @Test("a bucket that has no output yet is an empty list until a consumer comes", arguments: TestStore.all)
  func laterOutput(_ store: TestStore) throws {
    try PageBucket.with(store) { bucket in
      #expect(try bucket.names() == [])
      #expect(try bucket.page.get("/pictures/1").status == 404)
      try bucket.store("cat/1.jpg")
      #expect(eventually { try bucket.names() == ["cat/1.jpg"] })
      #expect(bucket.pictures.problem == nil)
      #expect(!bucket.lines.entries.hasEvent("page_bucket_failed"))
    }
  }

  @Test("rows that are written again appear", arguments: TestStore.all) func repairedRows(_ store: TestStore) throws {
    var pace = PageBucket.pace
    pace.everything = .milliseconds(20)
    try PageBucket.with(store, pace: pace) { bucket in
      for name in ["1.jpg", "2.jpg", "3.jpg"] { try bucket.store(name, name) }
      try bucket.withoutBatch(1) { #expect(eventually { try bucket.names() == ["3.jpg", "1.jpg"] }) }
      #expect(eventually { try bucket.names().sorted() == ["1.jpg", "2.jpg", "3.jpg"] })
    }
  }

  @Test("an output that was emptied and begun again replaces the one before", arguments: TestStore.all)
  func otherOutput(_ store: TestStore) throws {
    try PageBucket.with(store) { bucket in
      try bucket.store("cat/1.jpg")
      #expect(eventually { try bucket.names() == ["cat/1.jpg"] })
      let before = try bucket.page.get("/api/pictures").text
      try bucket.empty()
      #expect(eventually { try bucket.names() == [] })
      try bucket.store("dog/2.jpg")
      #expect(eventually { try bucket.names() == ["dog/2.jpg"] })
      #expect(try bucket.page.get("/api/pictures").text.prefix(40) != before.prefix(40))
    }
  }

  @Test("while the store is down the page says so once and keeps its list; then it goes on", arguments: TestStore.all)
  func storeGoesDown(_ store: TestStore) throws {
    let isDown = Atomic(false)
    let proxy = try StoreProxy(to: store.endpoint) { _ in isDown.load(ordering: .relaxed) ? .drop : .pass }
    defer { proxy.close() }
    try PageBucket.with(store, through: proxy.address) { bucket in
      try bucket.store("cat/1.jpg", "one")
      #expect(eventually { try bucket.names() == ["cat/1.jpg"] })
      isDown.store(true, ordering: .relaxed)
      let feed = PictureFeed(bucket.pictures, input: "images", log: bucket.lines.log, interval: .milliseconds(5))
      let (stop, client) = (StopFlag(), StreamClient())
      let thread = BackgroundThread.start("feed") { feed.run(until: stop) }
      defer {
        stop.set()
        thread.join()
      }
      feed.add(client.stream, after: 1)
      #expect(eventually { client.events.last?.data.contains("\"problem\":\"") == true }, "\(client.text)")
      try bucket.store("cat/2.jpg", "two")
      let failed = try bucket.page.get("/pictures/1")
      #expect(failed.status == 503 && failed.text.contains("s3://"), "\(failed.text)")
      #expect(try bucket.names() == ["cat/1.jpg"])
      isDown.store(false, ordering: .relaxed)
      #expect(eventually { client.has("stored", id: "2") }, "\(client.text)")
      #expect(eventually { client.events.last { $0.name == "state" }?.data.contains("\"problem\":null") == true })
      #expect(try bucket.page.get("/pictures/1").text == "one")
      #expect(eventually { bucket.lines.entries.hasEvent("page_bucket_recovered") })
      #expect(bucket.lines.entries.count { $0.event == "page_bucket_failed" } == 1)
    }
  }

  @Test("a store that is down at the start is waited for", arguments: TestStore.all)
  func storeComesLater(_ store: TestStore) throws {
    let isDown = Atomic(true)
    let proxy = try StoreProxy(to: store.endpoint) { _ in isDown.load(ordering: .relaxed) ? .drop : .pass }
    defer { proxy.close() }
    try PageBucket.with(store, through: proxy.address) { bucket in
      try bucket.store("cat/1.jpg")
      #expect(eventually { bucket.pictures.problem != nil })
      #expect(try bucket.names() == [])
      isDown.store(false, ordering: .relaxed)
      #expect(eventually { try bucket.names() == ["cat/1.jpg"] })
      #expect(eventually { bucket.pictures.problem == nil })
    }
  }

  @Test("a bucket that does not exist is named with the fix", arguments: TestStore.all)
  func missingBucket(_ store: TestStore) throws {
    let missing = "<Error><Code>NoSuchBucket</Code></Error>"
    let proxy = try StoreProxy(to: store.endpoint) { _ in .answer(status: 404, body: missing) }
    defer { proxy.close() }
    try PageBucket.with(store, through: proxy.address) { bucket in
      bucket.start()
      #expect(eventually { bucket.pictures.problem?.contains("Create the bucket") == true })
      #expect(eventually { bucket.lines.entries.hasEvent("page_bucket_failed", ["error": "NoSuchBucket"]) })
    }
  }

  @Test("a store that does not answer does not keep the page from ending", arguments: TestStore.all)
  func end(_ store: TestStore) throws {
    let proxy = try StoreProxy(to: store.endpoint) { _ in .hang }
    defer { proxy.close() }
    let start = ContinuousClock.now
    try PageBucket.with(store, through: proxy.address) { bucket in
      bucket.start()
      #expect(eventually { !proxy.requests.isEmpty })
    }
    #expect(ContinuousClock.now - start < .seconds(10))
  }
}
