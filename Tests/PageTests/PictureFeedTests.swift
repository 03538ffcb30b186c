import TestSupport
import Testing

@testable import Page
@testable import Platform
@testable import Telemetry

/// The events that clients of the feed get.
@Suite(OwnThread()) struct PictureFeedTests {
  private func running(_ output: String, _ body: (PictureFeed) throws -> Void) rethrows {
    let feed = PictureFeed(FolderPictures(output), input: "images", log: LogLines().log, interval: .milliseconds(5))
    let stop = StopFlag()
    let thread = BackgroundThread.start("feed") { feed.run(until: stop) }
    defer {
      stop.set()
      thread.join()
    }
    try body(feed)
  }

  @Test("a client gets an event for each image that is stored while it is connected") func newPicturesAreTold() throws {
    let output = try PageOutput()
    try output.store("cat/1.jpg")
    try running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: nil)
      #expect(eventually { client.events.first?.name == "state" })
      let id = try output.store("cat/2.jpg", "two")
      #expect(eventually { client.has("stored", id: "\(id)") }, "\(client.text)")
      let data = try #require(client.events.first { $0.name == "stored" }).data
      #expect(
        data.contains("\"name\":\"cat/2.jpg\"") && !data.contains("cat/1.jpg") && data.contains("\"skipped\":false"))
    }
  }

  @Test("a client that reconnects gets the images that it missed, once") func missedPicturesAreTold() throws {
    let output = try PageOutput()
    try output.store((1...5).map { "\($0).jpg" })
    try running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: 3)
      #expect(eventually { client.has("stored", id: "5") })
      let id = try output.store("6.jpg")
      #expect(eventually { client.has("stored", id: "\(id)") })
      let stored = client.events.filter { $0.name == "stored" }
      #expect(stored.map { $0.id } == ["5", "6"])
      #expect(stored[0].data.contains("5.jpg") && stored[0].data.contains("4.jpg") && !stored[0].data.contains("3.jpg"))
    }
  }

  @Test("clients that know different pictures miss none, if more are stored meanwhile") func differentClients() throws {
    let output = try PageOutput()
    try output.store((1...10).map { "\($0).jpg" })
    var look = PictureFeed.Look(catalog: PictureCatalog(FolderPictures(output.path)))
    func listener(_ after: Int64) -> (StreamClient, PictureFeed.Listener) {
      let client = StreamClient()
      return (client, PictureFeed.Listener(stream: client.stream, after: after, state: nil))
    }
    var (first, other, last) = (listener(5), listener(7), listener(5))
    look.take("images")
    look.tell(&first.1)
    try output.store(["11.jpg", "12.jpg"])
    look.tell(&other.1)
    look.tell(&last.1)
    look.take("images")
    for (client, var listener) in [first, other, last] {
      look.tell(&listener)
      #expect(client.text.contains("11.jpg") && client.text.contains("12.jpg"), "\(client.text)")
    }
  }

  @Test("events about images with long names stay small enough for every client") func longNames() throws {
    let output = try PageOutput()
    let folder = String(repeating: "\"", count: 240) + "/"
    try output.store((1...60).map { String(repeating: folder, count: 12) + "\($0).jpg" })
    try running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: 0)
      #expect(eventually { client.has("stored", id: "60") })
      let data = try #require(client.events.first { $0.name == "stored" }).data
      #expect(data.utf8.count < 70_000 && data.contains("\"skipped\":true"), "\(data.utf8.count)")
    }
  }

  @Test("an event about many images has the newest of them") func manyPictures() throws {
    let output = try PageOutput()
    try output.store((1...500).map { "\($0).jpg" })
    try running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: 0)
      #expect(eventually { client.has("stored", id: "500") })
      let data = try #require(client.events.first { $0.name == "stored" }).data
      #expect(data.contains("\"skipped\":true") && data.contains("\"500.jpg\"") && !data.contains("\"400.jpg\""))
    }
  }

  @Test("a client that knows more than there is has to begin again") func otherOutput() throws {
    let output = try PageOutput()
    try output.store("1.jpg")
    running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: 1_000)
      #expect(eventually { client.has("reset", id: "1") })
    }
  }

  @Test("events name the identity of an output that appears or is replaced") func states() throws {
    let folder = TestFolder()
    let output = try PageOutput()
    running(folder / "nothing") { feed in
      let client = StreamClient()
      feed.add(client.stream, after: nil)
      #expect(eventually { client.events.first?.data.contains("\"catalog\":null") == true }, "\(client.text)")
    }
    try running(output.path) { feed in
      let client = StreamClient()
      feed.add(client.stream, after: 0)
      #expect(eventually { client.events.first?.data.contains("\"catalog\":\"") == true }, "\(client.text)")
      let first = try #require(client.events.first).data
      try output.replace()
      // In between, the feed may have seen that there is none.
      #expect(
        eventually {
          guard let last = client.events.last?.data else { return false }
          return last.contains("\"catalog\":\"") && last != first
        }, "\(client.text)")
    }
  }

  @Test("a catalog that cannot be read is reported with the fix") func problems() throws {
    let folder = TestFolder()
    try folder.write("out/.image-pipeline/catalog.sqlite", String(repeating: "no database ", count: 1_000))
    running(folder / "out") { feed in
      let client = StreamClient()
      feed.add(client.stream, after: nil)
      #expect(eventually { client.events.first?.data.contains("image-pipeline repair") == true }, "\(client.text)")
    }
  }

  @Test("clients that have left are forgotten") func leftClients() throws {
    let output = try PageOutput()
    try running(output.path) { feed in
      let (left, here) = (StreamClient(), StreamClient())
      feed.add(left.stream, after: 0)
      feed.add(here.stream, after: 0)
      #expect(eventually { left.events.count == 1 && here.events.count == 1 })
      left.stream.close()
      let id = try output.store("1.jpg")
      #expect(eventually { here.has("stored", id: "\(id)") })
      #expect(left.events.count == 1)
    }
  }
}
