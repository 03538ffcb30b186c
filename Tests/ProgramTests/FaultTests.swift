import Glibc
import Testing

@testable import Platform
@testable import SQLite

/// What happens around the programs: folders that cannot be used, files that people delete, brokers that go away.
@Suite(.ownThread) struct FaultTests {
  private let folder = Scratch()

  private func once(_ broker: Broker, _ more: [String: String] = [:]) throws -> Program {
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment(more))
    _ = producer.exitCode()
    return producer
  }

  private func writeImages(_ number: Int) throws -> [String: [UInt8]] {
    let images = sampleImages(number)
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    return images
  }

  // MARK: Rights

  /// A program without the rights of root, which no mode stops.
  /// - Parameter give: hands over what is to be its own.
  private func unprivileged(
    _ arguments: [String], _ broker: Broker, _ more: [String: String] = [:], give: () -> Void = {}
  ) throws -> Program {
    let environment = broker.environment(more)
    guard geteuid() == 0 else { return try Program(arguments, in: folder, environment: environment) }
    #expect(chown(folder.path, 65_534, 65_534) == 0)
    give()
    return try Program(
      ["--reuid=65534", "--regid=65534", "--clear-groups", Program.path] + arguments, in: folder,
      environment: environment.merging(["HOME": "/tmp"]) { $1 }, executable: "/usr/bin/setpriv")
  }

  @Test func anOutputThatMayNotBeWrittenAnyMoreIsWaitedFor() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(8)
    let consumer = try unprivileged(["consumer"], broker, Broker.shortPollInterval)
    try broker.send([.image("first.jpg", [1])])
    #expect(eventually { folder.rows.count == 1 }, "\(consumer.output)")
    for part in ["", "/.image-pipeline/consumer-1/incoming"] {
      #expect(chmod(folder.path + "/" + Scratch.output + part, 0o555) == 0)
    }
    try broker.send(images.map { .image($0.key, $0.value) })
    #expect(eventually { consumer.output.contains("permission denied") }, "\(consumer.output)")
    #expect(consumer.output.contains("nothing of it is lost"), "\(consumer.output)")
    #expect(consumer.output.contains("write access"), "the cure: \(consumer.output)")
    expectKeptWaiting(consumer) { folder.rows.count == 1 }
    for part in ["", "/.image-pipeline/consumer-1/incoming"] {
      #expect(chmod(folder.path + "/" + Scratch.output + part, 0o755) == 0)
    }
    #expect(eventually { folder.rows.count == 9 }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(!consumer.wasExpelled, "\(consumer.output)")
    try expectStored(images.merging(["first.jpg": [1]]) { $1 }, in: folder)
  }

  @Test func anInputThatMayNotBeReadIsSaidWithTheCureAndTheRestIsSent() throws {
    let broker = try Broker.preferred()
    try folder.write("images/closed/1.jpg", [1])
    try folder.write("images/closed.jpg", [2])
    try folder.write("images/open.jpg", [3])
    #expect(chmod(folder.path + "/images/closed", 0) == 0 && chmod(folder.path + "/images/closed.jpg", 0) == 0)
    defer { chmod(folder.path + "/images/closed", 0o755) }
    let producer = try unprivileged(["producer", "--once"], broker)
    #expect(producer.exitCode() == 1, "\(producer.output)")
    for name in ["images/closed.jpg", "images/closed:"] {
      #expect(producer.output.contains(name), "\(producer.output)")
    }
    #expect(producer.output.contains("read access"), "the cure: \(producer.output)")
    #expect(try TopicContent(broker).names() == ["open.jpg"])
    #expect(chmod(folder.path + "/images", 0) == 0)
    let none = try unprivileged(["producer", "--once"], broker)
    #expect(none.exitCode() == 1 && none.output.contains("permission denied"), "\(none.output)")
    #expect(chmod(folder.path + "/images", 0o755) == 0)
  }

  // MARK: The ledger

  @Test func withItsLedgerLostTheProducerSendsEverythingAndNothingIsStoredTwice() throws {
    let broker = try Broker.preferred(partitions: 2)
    let images = try writeImages(30)
    #expect(try once(broker).output.contains("sent 30 images"))
    _ = try Program.storeAll(in: folder, broker)
    let before = folder.text(Scratch.csv)
    try folder.remove(".image-pipeline")
    #expect(try once(broker).output.contains("sent 30 images"))
    #expect(try Program.storeAll(in: folder, broker).contains("stored 0 images"))
    #expect(folder.text(Scratch.csv) == before)
    try expectStored(images, in: folder)
  }

  private let ledger = ".image-pipeline/ledger.sqlite"

  /// Removed or replaced, by hand or with a volume: what is written to it then, nobody finds again.
  @Test(arguments: [[".image-pipeline"], [".image-pipeline/ledger.sqlite"]], [false, true])
  func aLedgerThatIsRemovedWhileItIsUsedEndsTheProducer(removed: [String], isBusy: Bool) throws {
    let broker = try Broker.preferred()
    var images = try writeImages(10)
    let topic = try TopicContent(broker)
    let producer = try Program(
      ["producer"], in: folder, environment: broker.environment(["LOG_LEVEL": "debug"]))
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    #expect(eventually { producer.output.contains("sent  image=ready.jpg") }, "\(producer.output)")
    for name in removed { try folder.remove(name) }
    if isBusy {
      images["new.jpg"] = [9]
      try folder.write("images/new.jpg", [9])
    }
    #expect(producer.exitCode(withinSeconds: 30) == 1, "\(producer.output)")
    #expect(producer.output.contains("was removed or replaced"), "\(producer.output)")
    #expect(producer.output.contains("sent again"), "the cure: \(producer.output)")
    images["ready.jpg"] = [1]
    #expect(try once(broker).output.contains("sent \(images.count) images"))
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(images, in: folder)
  }

  private func damageLedger() throws {
    for suffix in ["", "-wal"] {
      guard let file = try? File.open(folder.path + "/" + ledger + suffix, .readWrite) else { continue }
      try [UInt8](repeating: 0x5A, count: file.status().size).withUnsafeBytes { try file.write($0, at: 0) }
    }
  }

  @Test func aDamagedLedgerIsSaidWithTheCureWhichCures() throws {
    let broker = try Broker.preferred()
    let images = try writeImages(10)
    #expect(try once(broker).output.contains("sent 10 images"))
    _ = try Program.storeAll(in: folder, broker)
    try damageLedger()
    for _ in 1...2 {
      let refused = try once(broker)
      #expect(refused.exitCode() == 1)
      #expect(refused.output.contains(ledger) && refused.output.contains("Move it away"), "\(refused.output)")
    }
    for suffix in ["", "-wal", "-shm"] { try folder.remove(ledger + suffix) }
    #expect(try once(broker).output.contains("sent 10 images"))
    #expect(try Program.storeAll(in: folder, broker).contains("stored 0 images"))
    try expectStored(images, in: folder)
  }

  @Test func aLedgerThatIsDamagedWhileItIsUsedEndsTheProducer() throws {
    let broker = try Broker.preferred()
    let topic = try TopicContent(broker)
    try folder.makeFolder("images")
    let producer = try Program(["producer"], in: folder, environment: broker.environment())
    #expect(producer.isWatching(folder, topic), "\(producer.output)")
    let other = try Database(path: folder.path + "/" + ledger, busyTimeoutMilliseconds: 1_000)
    // Another connection's change has the producer read again what it remembers.
    try other.execute("BEGIN IMMEDIATE; UPDATE scopes SET cluster = cluster")
    try damageLedger()
    try other.commit()
    try folder.write("images/1.jpg", [1])
    #expect(producer.exitCode() == 1, "\(producer.output)")
    #expect(producer.output.contains("is damaged") && producer.output.contains("Move it away"), "\(producer.output)")
  }

  // MARK: The CSV file

  @Test(arguments: [0, 20, 300])
  func aCSVFileThatIsCutWhileTheConsumerRunsIsWrittenAnewWhole(length: Int) throws {
    let broker = try Broker.preferred()
    let consumer = try Program(["consumer"], in: folder, environment: broker.environment())
    try broker.send((1...3).map { .image("\($0).jpg", [UInt8($0)]) })
    #expect(eventually { folder.rows.count == 3 }, "\(consumer.output)")
    let before = folder.rows
    #expect(truncate(folder.path + "/" + Scratch.csv, length) == 0)
    let cut = folder.text(Scratch.csv)
    try broker.send([.image("4.jpg", [4])])
    #expect(eventually { folder.rows.count == 4 }, "\(consumer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    #expect(Array(folder.rows.prefix(3)) == before)
    let asides = try folder.leftovers()
    #expect(asides.count == (length == 0 ? 0 : 1))
    for aside in asides { #expect(folder.text(aside) == cut) }
  }

  @Test func anAlteredCSVFileInAFolderThatMayNotBeWrittenIsKeptInTheOutput() throws {
    let broker = try Broker.preferred()
    try folder.write("closed/data.csv", Array("my own notes".utf8))
    #expect(chmod(folder.path + "/closed", 0o555) == 0)
    defer { chmod(folder.path + "/closed", 0o755) }
    try broker.send([.image("1.jpg", [1])])
    let consumer = try unprivileged(["consumer", "--until-idle", "0.3"], broker, ["CSV_PATH": "closed/data.csv"]) {
      #expect(chown(folder.path + "/closed/data.csv", 65_534, 65_534) == 0)
    }
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    let asides = try folder.leftovers()
    try #require(asides.count == 1 && asides[0].hasPrefix(Scratch.output + "/.image-pipeline/data.csv.aside-"))
    #expect(folder.text(asides[0]) == "my own notes")
    #expect(folder.text("closed/data.csv").split(separator: "\n").count == 2)
  }

  @Test func twoOutputsAtOnceDoNotTakeOneCSVFile() throws {
    let broker = try Broker.preferred()
    try broker.send([.image("1.jpg", [1])])
    let first = try Program(["consumer"], in: folder, environment: broker.environment())
    #expect(eventually { folder.rows.count == 1 }, "\(first.output)")
    let other = broker.environment(["PROCESSED_IMAGES_DIR": "other", "CONSUMER_GROUP": "other-" + broker.group])
    let second = try Program(["consumer", "--until-idle", "0.2"], in: folder, environment: other)
    #expect(second.exitCode() == 1, "\(second.output)")
    #expect(second.output.contains(Scratch.csv) && second.output.contains("CSV_PATH"), "\(second.output)")
    // Consumers of the one output share it.
    _ = try Program.storeAll(in: folder, broker)
    try expectStored(["1.jpg": [1]], in: folder)
    // And when it is deleted, the new one is as much the first output's.
    try folder.remove(Scratch.csv)
    try broker.send([.image("2.jpg", [2])])
    #expect(eventually { folder.rows.count == 2 }, "\(first.output)")
    let third = try Program(["consumer", "--until-idle", "0.2"], in: folder, environment: other)
    #expect(third.exitCode() == 1, "\(third.output)")
    first.signal(SIGTERM)
    #expect(first.exitCode() == 0, "\(first.output)")
    try expectStored(["1.jpg": [1], "2.jpg": [2]], in: folder)
  }

  /// As with two working directories, or two containers that share the images and not the folder of the CSV file.
  @Test func consumersOfOneOutputThatFindOtherFilesUnderTheSamePathDoNotFightOverThem() throws {
    let broker = try Broker.preferred(partitions: 2)
    let elsewhere = Scratch()
    let environment = broker.environment(["PROCESSED_IMAGES_DIR": folder.path + "/" + Scratch.output])
    func send(_ numbers: ClosedRange<Int>) throws {
      try broker.send(numbers.map { .image("\($0).jpg", [UInt8($0)]) })
    }
    try send(1...10)
    let first = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { folder.rows.count == 10 }, "\(first.output)")
    for _ in 1...2 {
      let second = try Program(["consumer"], in: elsewhere, environment: environment)
      #expect(second.exitCode() == 1, "\(second.output)")
      #expect(second.output.contains("CSV_PATH") && second.output.contains("absolute"), "\(second.output)")
    }
    #expect(!elsewhere.exists(Scratch.csv))
    try send(11...20)
    #expect(eventually { folder.rows.count == 20 }, "\(first.output)")
    // Beside one that finds the same file it works.
    let third = try Program(["consumer"], in: folder, environment: environment)
    #expect(eventually { third.output.contains("partitions assigned") }, "\(third.output)")
    // Deleted, it is made anew, and is the same one for both.
    try folder.remove(Scratch.csv)
    try send(21...40)
    #expect(eventually { folder.rows.count == 40 }, "\(first.output)\n\(third.output)")
    try send(41...60)
    #expect(eventually { folder.rows.count == 60 }, "\(first.output)\n\(third.output)")
    for consumer in [first, third] { #expect(consumer.terminate() == 0, "\(consumer.output)") }
    #expect(try folder.leftovers() == [])
    // Alone it may be moved.
    let moved = try Program(["consumer", "--until-idle", "0.3"], in: elsewhere, environment: environment)
    #expect(moved.exitCode() == 0, "\(moved.output)")
    #expect(elsewhere.rows.count == 60)
    #expect(try folder.leftovers() + elsewhere.leftovers() == [])
  }

  /// The drop-in case: images and rows of the Python script are there, and the topic still holds their messages.
  @Test func whatThePythonScriptHadBegunGoesOn() throws {
    let broker = try Broker.preferred()
    let images = sampleImages(6)
    try broker.send(images.sorted { $0.key < $1.key }.map { .image($0.key, $0.value) })
    let done = images.keys.sorted().prefix(4)
    var theirs = "file_path,image_label\n"
    for name in done {
      try folder.write(Scratch.output + "/" + name, images[name]!)
      theirs += "\(Scratch.output)/\(name),\(name.prefix(3))\n"
    }
    try folder.write(Scratch.csv, Array(theirs.utf8))
    let said = try Program.storeAll(in: folder, broker)
    #expect(said.contains("moved aside") && said.contains("has not logged"), "\(said)")
    let asides = try folder.leftovers()
    try #require(asides.count == 1)
    #expect(folder.text(asides[0]) == theirs)
    #expect(try folder.files(Scratch.output) == images.keys.sorted())
    expectBytes(images, in: folder, Scratch.output)
    #expect(folder.rowNames.sorted() == images.keys.sorted())
  }

  // MARK: Brokers

  @Test func aBrokerThatIsGoneForLongerThanAnyTimeoutLosesNothing() throws {
    let broker = try Broker(partitions: 2)
    let images = try writeImages(40)
    var environment = broker.environment()
    environment["KAFKA_MESSAGE_TIMEOUT_MS"] = "2000"
    environment["KAFKA_SOCKET_TIMEOUT_MS"] = "2000"
    let topic = try TopicContent(broker)
    let consumer = try Program(["consumer"], in: folder, environment: environment)
    let producer = try Program(["producer"], in: folder, environment: environment)
    #expect(eventually { folder.rows.count == 40 }, "\(consumer.output)")
    broker.setDown(true)
    try folder.write("images/late.jpg", [9])
    // Longer than the session, the messages' and the sockets' time.
    Clock.sleep(milliseconds: 9_000)
    broker.setDown(false)
    #expect(eventually(withinSeconds: 60) { folder.rows.count == 41 }, "\(producer.output)\n\(consumer.output)")
    #expect(producer.terminate() == 0, "\(producer.output)")
    consumer.signal(SIGTERM)
    #expect(consumer.exitCode() == 0, "\(consumer.output)")
    try expectStored(images.merging(["late.jpg": [9]]) { $1 }, in: folder)
    #expect(try topic.names().contains("late.jpg"))
    #expect(try once(broker).output.contains("sent 0 images"))
  }

  @Test func oneOutputServesTheDemoThenABrokerThenTheDemoAgain() throws {
    let broker = try Broker.preferred()
    var images = try writeImages(20)
    func demo() throws -> String {
      let program = try Program(["demo", "--input", "images", "--output", "."], in: folder)
      #expect(program.exitCode() == 0, "\(program.output)")
      return program.output
    }
    #expect(try demo().contains("20 carried"))
    try expectStored(images, in: folder)
    // Other messages at the offsets that the demo's had.
    images["new.jpg"] = [1, 2]
    try folder.write("images/new.jpg", images["new.jpg"]!)
    #expect(try once(broker).output.contains("sent 21 images"))
    #expect(try Program.storeAll(in: folder, broker).contains("stored 1 image,"))
    try expectStored(images, in: folder)
    images["newer.jpg"] = [3]
    try folder.write("images/newer.jpg", images["newer.jpg"]!)
    #expect(try demo().contains("1 carried, 21 there already"))
    try expectStored(images, in: folder)
    #expect(try Program.storeAll(in: folder, broker).contains("stored 0 images"))
  }
}
