import StoreSupport
import TestSupport
import Testing

@testable import Output
@testable import Platform
@testable import S3

/// Commands on an output in a bucket.
@Suite(.ownThread, .onStores) struct BucketCommandTests {
  /// Sends and stores images, and calls `body` with the settings of all commands.
  private func stored(
    _ store: TestStore, _ body: (BucketContent, TestFolder, [String: String]) throws -> Void
  ) throws {
    let broker = try Broker.preferred()
    let folder = TestFolder()
    _ = try folder.writeImages(12)
    try BucketContent.with(store) { bucket in
      let environment = bucket.environment(broker)
      let producer = try Program(["producer", "--once"], in: folder, environment: environment)
      #expect(producer.exitCode() == 0, "\(producer.output)")
      let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
      #expect(consumer.exitCode() == 0, "\(consumer.output)")
      try body(bucket, folder, environment)
    }
  }

  @Test("verify reads every object", arguments: TestStore.all) func verify(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let clean = try Program(["verify", "--json"], in: folder, environment: environment)
      #expect(clean.exitCode() == 0, "\(clean.output)")
      #expect(clean.output.contains("\"verified\":12"), "\(clean.output)")
      // One is altered, one is removed, and one is another program's.
      let names = try bucket.images().keys.sorted()
      let other = Array("other".utf8)
      for key in [names[0], "extra.jpg"] {
        _ = try bucket.client.perform(
          .put("\(bucket.prefix)/\(key)", .bytes(other), digest: other.withUnsafeBytes { SHA256.hash($0) }))
      }
      _ = try bucket.client.perform(.delete("\(bucket.prefix)/\(names[1])"))
      let spoilt = try Program(["verify", "--json"], in: folder, environment: environment)
      #expect(spoilt.exitCode() == 1, "\(spoilt.output)")
      for part in ["\"verified\":10", "\"altered\":1", "\"missing\":1", "\"extra\":1"] {
        #expect(spoilt.output.contains(part), "\(part) in \(spoilt.output)")
      }
    }
  }

  @Test("verify compares with originals in a bucket, and a producer does not send them", arguments: TestStore.all)
  func originals(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      try store.with { client, prefix in
        var images = try bucket.images()
        let changed = try #require(images.keys.sorted().first)
        images[changed] = [1]
        for (name, bytes) in images.merging(
          ["notes.txt": [1], ".hidden/a.jpg": [1], "folder/": []], uniquingKeysWith: { $1 })
        {
          _ = try client.perform(
            .put("\(prefix)/\(name)", .bytes(bytes), digest: bytes.withUnsafeBytes { SHA256.hash($0) }))
        }
        let originals = environment.merging(["IMAGES_DIR": "s3://\(TestStore.bucket)/\(prefix)"]) { $1 }
        let verify = try Program(["verify", "--json"], in: folder, environment: originals)
        #expect(verify.exitCode() == 1, "\(verify.output)")
        for part in ["\"verified\":11", "\"altered\":1", "\"missing\":0", "\"extra\":0"] {
          #expect(verify.output.contains(part), "\(part) in \(verify.output)")
        }
        let producer = try Program(["producer", "--once"], in: folder, environment: originals)
        #expect(producer.exitCode() == 1, "\(producer.output)")
        #expect(producer.hasEvent("program_failed", ["error": "InputFolder.InBucket"]), "\(producer.output)")
      }
    }
  }

  @Test("audit compares the ledger with the log and the objects", arguments: TestStore.all)
  func audit(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let clean = try Program(["audit", "--json", "--sample", "5"], in: folder, environment: environment)
      #expect(clean.exitCode() == 0, "\(clean.output)")
      for part in ["\"sent\":12", "\"stored\":12", "\"sampled\":5", "\"output\":true", "\"findings\":0"] {
        #expect(clean.output.contains(part), "\(part) in \(clean.output)")
      }
      let names = try bucket.images().keys.sorted()
      _ = try bucket.client.perform(.delete("\(bucket.prefix)/\(names[1])"))
      let spoilt = try Program(["audit", "--json"], in: folder, environment: environment)
      #expect(spoilt.exitCode() == 1, "\(spoilt.output)")
      #expect(spoilt.output.contains("\"finding\":\"file_missing\",\"name\":\"\(names[1])\""), "\(spoilt.output)")
    }
  }

  @Test("receipts --resend confirms what is stored", arguments: TestStore.all)
  func resentReceipts(_ store: TestStore) throws {
    let broker = try Broker.preferred(partitions: 2)
    let folder = TestFolder()
    let images = sampleImages(6)
    try broker.send(images.map { .image($0.key, $0.value) })
    try BucketContent.with(store) { bucket in
      let environment = bucket.environment(broker, ["RECEIPTS": "off"])
      let consumer = try Program(["consumer", "--until-idle", "0.3"], in: folder, environment: environment)
      #expect(consumer.exitCode() == 0, "\(consumer.output)")
      let missing = try #require(images.keys.sorted().first)
      _ = try bucket.client.perform(.delete("\(bucket.prefix)/\(missing)"))
      let program = try Program(["receipts", "--resend"], in: folder, environment: environment)
      #expect(program.exitCode() == 1 && program.output.contains("\(missing): "), "\(program.output)")
      let others = images.filter { $0.key != missing }
      #expect(try broker.confirmed() == others.mapValues { _ in [.stored] })
    }
  }

  @Test("repair restores rows, and names objects that differ", arguments: TestStore.all)
  func repair(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let sound = try Program(["repair", "--json"], in: folder, environment: environment)
      #expect(sound.exitCode() == 0 && sound.output.contains("\"sound\":12"), "\(sound.output)")
      let names = try bucket.images().keys.sorted()
      _ = try bucket.client.perform(.delete("\(bucket.prefix)/\(names[1])"))
      let spoilt = try Program(["repair", "--json"], in: folder, environment: environment)
      #expect(spoilt.exitCode() == 1, "\(spoilt.output)")
      for part in ["\"sound\":11", "\"remaining\":1", "\"name\":\"\(names[1])\""] {
        #expect(spoilt.output.contains(part), "\(part) in \(spoilt.output)")
      }
    }
  }

  @Test("export prints the one CSV file", arguments: TestStore.all) func export(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let export = try Program(["export"], in: folder, environment: environment)
      #expect(export.exitCode() == 0)
      let text = Array(export.output.utf8)
      #expect(text.starts(with: CSVLine.header), "\(export.output)")
      let rows = try #require(CSVLine.rows(text[CSVLine.header.count...]), "\(export.output)")
      #expect(rows == (try bucket.rows()) && rows.count == 12)
    }
  }

  @Test("doctor tries what a consumer needs", arguments: TestStore.all) func doctor(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let well = try Program(["doctor", "--consumer", "--json"], in: folder, environment: environment)
      #expect(well.exitCode() == 0, "\(well.output)")
      for check in ["bucket_reachable", "store_suitable", "store_clock", "store_lifecycle"] {
        #expect(well.output.contains("\"\(check)\""), "\(check) in \(well.output)")
      }
      let before = try bucket.images()
      let refused = try Program(
        ["doctor", "--consumer", "--json"], in: folder,
        environment: environment.merging(["AWS_SECRET_ACCESS_KEY": "wrong"]) { $1 })
      #expect(refused.exitCode() == 1, "\(refused.output)")
      #expect(refused.output.contains("AWS_SECRET_ACCESS_KEY"), "\(refused.output)")
      #expect(try bucket.images() == before)
    }
  }

  @Test("page shows the images and their bytes, and runs an audit", arguments: TestStore.all)
  func page(_ store: TestStore) throws {
    try stored(store) { bucket, folder, environment in
      let port = try StatusPage.freePort()
      let page = try Program(["page"], in: folder, environment: environment.merging(["PAGE_PORT": "\(port)"]) { $1 })
      let output = "s3://\(TestStore.bucket)/\(bucket.prefix)"
      #expect(eventually { page.hasEvent("page_started", ["output": output]) }, "\(page.output)")
      #expect(
        eventually { try RawResponse.get(port, "/api/pictures")?.text.contains("\"newest\":12") == true },
        "\(page.output)")
      let images = try bucket.images()
      for id in 1...12 {
        let facts = try RawResponse.get(port, "/api/pictures/\(id)")?.text ?? ""
        let name = try #require(facts.firstMatch(of: /"name":"([^"]*)"/)?.1, "\(facts)")
        #expect(try RawResponse.get(port, "/pictures/\(id)")?.body == images[String(name)])
        let verdict = try RawResponse.get(port, "/api/pictures/\(id)/verify", ["X-Image-Pipeline": "1"])
        #expect(verdict?.text.contains("\"result\":\"unchanged\"") == true, "\(verdict?.text ?? "")")
      }
      let start = try RawResponse.get(port, "/api/checks/audit", method: "POST", ["X-Image-Pipeline": "1"])
      #expect(start?.status == 202)
      func checks() throws -> String { try RawResponse.get(port, "/api/checks")?.text ?? "" }
      #expect(eventually(within: .seconds(90)) { try checks().contains("\"running\":null") })
      let audit = try checks()
      #expect(audit.contains(#"\"stored\":12"#) && audit.contains(#"\"findings\":0}"#), "\(audit)")
      #expect(page.terminate() == 0, "\(page.output)")
    }
  }

  @Test("page starts while the store does not answer, says so, and ends at once") func pageWithoutStore() throws {
    let folder = TestFolder()
    let proxy = try StoreProxy { _ in .hang }
    defer { proxy.close() }
    let port = try StatusPage.freePort()
    let page = try Program(
      ["page"], in: folder,
      environment: [
        "PROCESSED_IMAGES_DIR": "s3://images/x", "S3_ENDPOINT": proxy.address, "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s", "PAGE_PORT": "\(port)",
      ])
    #expect(eventually { page.hasEvent("page_started") && !proxy.requests.isEmpty }, "\(page.output)")
    #expect(try RawResponse.get(port, "/api/pictures")?.text.contains("\"pictures\":[]") == true)
    let start = ContinuousClock.now
    #expect(page.terminate() == 0, "\(page.output)")
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  @Test("an output that an option names has to be a folder", arguments: ["audit", "page"])
  func refusals(_ command: String) throws {
    let program = try Program([command, "--output", "s3://images/x"], in: TestFolder())
    #expect(program.exitCode() == 1, "\(program.output)")
    #expect(program.events("program_failed").first?.fields["error"] == "FolderWanted", "\(program.output)")
  }
}
