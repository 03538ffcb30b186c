import Platform
import StoreSupport
import TestSupport
import Testing

@testable import S3

/// The client, on real stores.
@Suite(OwnThread(), .onStores) struct S3ClientTests {
  private func digest(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { SHA256.hash($0) } }

  @Test("an object is read as it was stored, with its metadata", arguments: TestStore.all)
  func roundTrip(_ store: TestStore) throws {
    try store.with { client, prefix in
      for count in [0, 1, 1_000, 3_000_000] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let key = "\(prefix)/\(count)"
        let put = try client.perform(
          .put(key, .bytes(bytes), digest: digest(bytes), type: "image/png", metadata: [("origin", "a/1/2")]))
        #expect(put.status == 200 && put.tag?.isEmpty == false)
        let got = try client.perform(.get(key))
        #expect(got.body == bytes && got.metadata("origin") == "a/1/2" && got.tag == put.tag)
        #expect(got.headers["content-type"] == "image/png")
        let head = try client.perform(.head(key))
        #expect(head.length == count && head.tag == put.tag && head.metadata("origin") == "a/1/2")
      }
      let part = try client.perform(.get("\(prefix)/1000", range: 10..<20))
      #expect(part.status == 206 && part.body.count == 10)
      #expect(try client.perform(.delete("\(prefix)/1000")).status == 204)
      #expect(try client.perform(.get("\(prefix)/1000")).status == 404)
      #expect(try client.perform(.head("\(prefix)/1000")).status == 404)
    }
  }

  @Test("conditions are honoured", arguments: TestStore.all) func conditions(_ store: TestStore) throws {
    try store.with { client, prefix in
      func put(_ text: String, if condition: S3Request.Condition) throws -> S3Response {
        try client.perform(
          .put("\(prefix)/x", .bytes(Array(text.utf8)), digest: digest(Array(text.utf8)), if: condition))
      }
      let first = try put("one", if: .isAbsent)
      #expect(first.status == 200)
      #expect(try put("two", if: .isAbsent).status == 412)
      let second = try put("two", if: .isVersion(first.tag!))
      #expect(second.status == 200 && second.tag != first.tag)
      #expect(try put("three", if: .isVersion(first.tag!)).status == 412)
      #expect(try client.perform(.get("\(prefix)/x")).body == Array("two".utf8))
    }
  }

  @Test("of many creations of one object, one succeeds", arguments: TestStore.all)
  func race(_ store: TestStore) throws {
    try store.with { client, prefix in
      for round in 1...3 {
        let requests = (0..<8).map { number in
          let bytes = Array("\(number)".utf8)
          return S3Request.put("\(prefix)/\(round)", .bytes(bytes), digest: digest(bytes), if: .isAbsent)
        }
        let statuses = try client.perform(requests).map { try $0.get().status }
        #expect(statuses.filter { $0 == 200 }.count == 1, "\(statuses)")
        #expect(statuses.filter { $0 == 412 }.count == 7, "\(statuses)")
        let winner = try client.perform(.get("\(prefix)/\(round)")).body
        #expect(winner == Array("\(statuses.firstIndex(of: 200)!)".utf8))
      }
    }
  }

  @Test("bytes that were altered on their way are refused", arguments: TestStore.all)
  func alteredBytes(_ store: TestStore) throws {
    try store.with { (client, prefix) throws -> Void in
      let request = S3Request.put("\(prefix)/x", .bytes(Array("altered".utf8)), digest: digest(Array("right".utf8)))
      let error = #expect(throws: S3Error.self) { try client.perform(request) }
      #expect(error?.status == 400, "\(error.map { $0.description } ?? "")")
      #expect(try client.perform(.get("\(prefix)/x")).status == 404)
    }
  }

  @Test("a file is sent in bounded pieces", arguments: TestStore.all) func file(_ store: TestStore) throws {
    let folder = TestFolder()
    let bytes = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
    try folder.write("file", bytes)
    let file = try File.open(folder / "file", .read)
    try store.with { client, prefix in
      let part = Array(bytes[1_000..<4_000_000])
      _ = try client.perform(.put("\(prefix)/x", .file(file, 1_000..<4_000_000), digest: digest(part)))
      #expect(try client.perform(.get("\(prefix)/x")).body == part)
    }
  }

  @Test("a sink receives the body in order", arguments: TestStore.all) func sink(_ store: TestStore) throws {
    try store.with { client, prefix in
      let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0) }
      _ = try client.perform(.put("\(prefix)/x", .bytes(bytes), digest: digest(bytes)))
      let received = Received()
      var request = S3Request.get("\(prefix)/x")
      request.sink = { received.add($0) }
      let response = try client.perform(request)
      #expect(received.bytes == bytes && response.body.isEmpty)
      request.sink = { _ in false }
      let error = #expect(throws: S3Error.self) { try client.perform(request) }
      #expect(error?.disposition == .final)
    }
  }

  @Test("odd names keep their bytes, and are listed in order", arguments: TestStore.all)
  func oddNames(_ store: TestStore) throws {
    var names = [
      "a b", "a+b", "a%20b", "a%b", "ä", "a\u{308}", "日本", "🙂", "a=b&c", "a?b", "a#b", "(a)", "a'b\"c", "a*b", "a~b",
      "a!b@c", "a,b;c", "a:b", "a<b>c", "a|b", "a`b^c", "[a]{b}", "$a", "a..b", "..a", "a.", " a", "a ", "x/ y/z",
      "a/\u{301}b", "\u{1}", "a\tb", "a\nb", "\u{7F}", "\u{FEFF}a", "%", "%%", "%2F", "+", "&amp;",
    ]
    // Without a backslash, which SeaweedFS takes for a slash, and without names that are folders to it.
    let left: Set<UInt8> = [0x2E, 0x2F, 0x5C, 0x61, 0x78]
    for byte in UInt8(0x21)...0x7E where !left.contains(byte) { names.append(String(Unicode.Scalar(byte))) }
    names = Array(Set(names))
    try store.with { client, prefix in
      let puts = names.map { name in
        S3Request.put("\(prefix)/" + name, .bytes(Array(name.utf8)), digest: digest(Array(name.utf8)), if: .isAbsent)
      }
      for (name, result) in zip(names, client.perform(puts)) {
        #expect((try? result.get())?.status == 200, "\(name.debugDescription): \(result)")
      }
      for (name, result) in zip(names, client.perform(names.map { .get("\(prefix)/" + $0) })) {
        let response = try result.get()
        #expect(response.status == 200 && response.body == Array(name.utf8), "\(name.debugDescription)")
      }
      var listing = S3Listing(client, prefix: prefix + "/", pageSize: 17)
      let listed = try listing.all().map {
        String(decoding: $0.key.utf8.dropFirst(prefix.utf8.count + 1), as: UTF8.self)
      }
      #expect(Set(listed.map { Array($0.utf8) }) == Set(names.map { Array($0.utf8) }))
      #expect(listed.count == names.count)
    }
  }

  @Test("a listing begins after a key, and shows folders", arguments: TestStore.all)
  func listing(_ store: TestStore) throws {
    try store.with { client, prefix in
      let keys = (0..<25).map { "\(prefix)/log/\($0 < 10 ? "0" : "")\($0)" } + ["\(prefix)/a/x", "\(prefix)/b/y"]
      for result in client.perform(keys.map { .put($0, .none, digest: digest([])) }) { _ = try result.get() }
      var rest = S3Listing(client, prefix: "\(prefix)/log/", after: "\(prefix)/log/19", pageSize: 3)
      #expect(try rest.all().map(\.key) == (20..<25).map { "\(prefix)/log/\($0)" })
      var folders = S3Listing(client, prefix: "\(prefix)/", delimiter: "/")
      let page = try #require(try folders.nextPage())
      #expect(page.folders == ["\(prefix)/a/", "\(prefix)/b/", "\(prefix)/log/"] && page.objects.isEmpty)
      var nothing = S3Listing(client, prefix: "\(prefix)/none/")
      #expect(try nothing.all().isEmpty)
    }
  }

  @Test("wrong keys and missing buckets are reported with the fix", arguments: TestStore.all)
  func refusals(_ store: TestStore) throws {
    var settings = store.settings()
    settings.identity = .keys(S3Credentials(accessKey: TestStore.keys.accessKey, secretKey: "wrong"))
    var error = #expect(throws: S3Error.self) { try S3Client(settings).perform(.get("x")) }
    #expect(error?.status == 403 && error?.disposition == .needsPerson)
    #expect(error?.description.contains("AWS_SECRET_ACCESS_KEY") == true, "\(error.map { $0.description } ?? "")")
    settings = store.settings()
    settings.bucket = "no-such-bucket-\(UInt32.random(in: 0 ... .max))"
    error = #expect(throws: S3Error.self) { try S3Client(settings).perform(.get("x")) }
    #expect(error?.name == "NoSuchBucket", "\(error.map { $0.description } ?? "")")
    #expect(error?.description.contains("PROCESSED_IMAGES_DIR") == true && error?.disposition == .needsPerson)
  }
}

private final class Received: @unchecked Sendable {
  private(set) var bytes: [UInt8] = []
  func add(_ piece: UnsafeRawBufferPointer) -> Bool {
    bytes += piece
    return true
  }
}
