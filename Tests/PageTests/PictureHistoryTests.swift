import TestSupport
import Testing

@testable import Configuration
@testable import Output
@testable import Page
@testable import Platform
@testable import Producer
@testable import SQLite

struct PictureHistoryTests {
  private let folder = TestFolder()

  /// A ledger with one image, whose file has this path.
  private func settings(
    _ path: String, _ digest: Digest, _ more: [String: String] = [:]
  ) throws -> ProducerSettings {
    try folder.makeFolder("in")
    try PageLedger(folder).add([(path, Ledger.State.confirmed.rawValue, "")])
    let database = try Database(path: folder / "state/ledger.sqlite", busyTimeout: .seconds(5))
    try database.prepare(
      "UPDATE files SET digest = ?, modified = 1000000000, confirmed = 4000, resent = 1"
    ).run(.blob(digest.bytes))
    database.close()
    let environment = ["TOPIC": PageFailures.topic, "STATE_DIR": folder / "state", "IMAGES_DIR": folder / "in"]
    return try EnvironmentReader.read(environment.merging(more) { $1 }).producer
  }

  private func picture(_ name: String, _ digest: Digest) -> Picture {
    let row = StoredRow(
      filePath: "out/" + name, label: name, digest: digest, size: 1, format: "png", width: 1, height: 1, topic: "t",
      partition: 0, offset: 1, sentTime: 1, storedTime: 2)
    return Picture(id: 1, row: row, name: name, isCurrent: true)
  }

  private func digest(_ byte: UInt8) -> Digest { [byte].withUnsafeBytes { SHA256.hash($0) } }

  @Test("the ledger's times of an image are in its facts") func times() throws {
    let history = PictureHistory(try settings("a.jpg", digest(1)))
    let facts = picture("a.jpg", digest(1)).detailedJSON(history: history.json(of: picture("a.jpg", digest(1))))
    let ledger =
      #""ledger":{"modified":1000,"receipt":4000,"state":"confirmed","sent_again":1}}"#
    #expect(facts.hasSuffix(ledger), "\(facts)")
  }

  @Test("an image is found without its producer's prefix, compared byte by byte") func prefix() throws {
    // The file's name begins with an accent, which belongs to the character before it.
    let history = PictureHistory(try settings("\u{301}a.jpg", digest(1), ["NAME_PREFIX": "camera-e"]))
    #expect(history.json(of: picture("camera-e\u{301}a.jpg", digest(1))) != nil)
    #expect(history.json(of: picture("\u{301}a.jpg", digest(1))) == nil)
  }

  @Test("another version, and an image that another producer sent, have no history") func strangers() throws {
    let history = PictureHistory(try settings("a.jpg", digest(1)))
    #expect(history.json(of: picture("a.jpg", digest(2))) == nil)
    #expect(history.json(of: picture("b.jpg", digest(1))) == nil)
    #expect(PictureHistory(try EnvironmentReader.read([:]).producer).json(of: picture("a.jpg", digest(1))) == nil)
  }

  @Test("without receipts, no image waits for one") func noReceipts() throws {
    let history = PictureHistory(try settings("a.jpg", digest(1), ["RECEIPTS_NEEDED": "0"]))
    #expect(history.json(of: picture("a.jpg", digest(1)))?.contains("\"state\":null") == true)
  }
}
