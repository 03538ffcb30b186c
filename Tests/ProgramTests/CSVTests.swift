import TestSupport
import Testing

@testable import Platform

@Suite(.ownThread) struct CSVTests {
  private let folder = TestFolder()

  private var asides: [String] { (try? folder.leftovers().filter { $0.contains(".aside") }) ?? [] }

  private func send(_ names: [String], to broker: Broker) throws {
    try broker.send(names.map { .image($0, Array($0.utf8)) })
  }

  @Test("a user's own file at CSV_PATH is moved aside and kept") func foreignFileIsMovedAside() throws {
    let broker = try Broker.preferred()
    let own = "date,expense\n2024-01-01,\"12,50\"\n"
    try folder.write(TestFolder.csv, Array(own.utf8))
    try send(["1.jpg", "2.jpg"], to: broker)
    let output = try Program.storeAll(in: folder, broker).output
    try #require(asides.count == 1)
    #expect(output.log.hasEvent("csv_set_aside", ["aside": asides[0]]), "\(output)")
    #expect(folder.text(asides[0]) == own)
    #expect(folder.rowNames == ["1.jpg", "2.jpg"])
  }

  @Test("rows that somebody added survive in the file that is moved aside") func addedRowsSurviveInAside() throws {
    let broker = try Broker.preferred()
    try send(["1.jpg"], to: broker)
    _ = try Program.storeAll(in: folder, broker)
    let edited = folder.text(TestFolder.csv) + "processed_images/mine.jpg,by hand\n"
    try folder.write(TestFolder.csv, Array(edited.utf8))
    try send(["2.jpg"], to: broker)
    _ = try Program.storeAll(in: folder, broker)
    try #require(asides.count == 1)
    #expect(folder.text(asides[0]) == edited)
    #expect(folder.rowNames == ["1.jpg", "2.jpg"])
  }

  @Test("a deleted CSV file is rewritten with all rows") func deletedFileIsRewritten() throws {
    let broker = try Broker.preferred()
    try send(["1.jpg", "2.jpg"], to: broker)
    _ = try Program.storeAll(in: folder, broker)
    let before = folder.rows
    try folder.remove(TestFolder.csv)
    try send(["3.jpg"], to: broker)
    _ = try Program.storeAll(in: folder, broker)
    #expect(folder.rows.dropLast() == before[...])
    #expect(folder.rowNames == ["1.jpg", "2.jpg", "3.jpg"])
    // An empty file has nothing to keep.
    #expect(asides == [])
  }

  @Test("a CSV file that is deleted while the consumer runs is rewritten with all rows")
  func fileDeletedAtRunTimeIsRewritten() throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try send(["1.jpg", "2.jpg"], to: broker)
    #expect(eventually { folder.rows.count == 2 }, "\(consumer.output)")
    try folder.remove(TestFolder.csv)
    try send(["3.jpg"], to: broker)
    #expect(eventually { folder.rowNames == ["1.jpg", "2.jpg", "3.jpg"] }, "\(consumer.output)")
    consumer.signal(15)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
  }

  @Test("two outputs do not share a CSV file") func outputsDoNotShareAFile() throws {
    let broker = try Broker.preferred()
    try send(["1.jpg", "2.jpg"], to: broker)
    _ = try Program.storeAll(in: folder, broker)
    let first = folder.text(TestFolder.csv)
    _ = try Program.storeAll(in: folder, broker, ["PROCESSED_IMAGES_DIR": "other", "CONSUMER_GROUP": "other"])
    try #require(asides.count == 1)
    #expect(folder.text(asides[0]) == first)
    #expect(folder.rows.count == 2)
    #expect(folder.rows.allSatisfy { $0.hasPrefix("other/") })
  }
}
