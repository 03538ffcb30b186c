import Platform
import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import S3

/// What the client does when stores and networks fail.
@Suite(OwnThread()) struct S3FaultTests {
  private func client(_ proxy: StoreProxy) -> S3Client {
    var settings = S3Settings(
      bucket: "b", endpoint: S3Endpoint(proxy.address)!, region: "r",
      identity: .keys(S3Credentials(accessKey: "a", secretKey: "s")))
    (settings.firstDelay, settings.attempts) = (.milliseconds(1), 4)
    return S3Client(settings)
  }

  private func xml(_ code: String) -> String { "<Error><Code>\(code)</Code><Message>text</Message></Error>" }

  /// A proxy that treats the first requests in these ways, and answers the others with 200.
  private func proxy(_ actions: [StoreProxy.Action], to store: String = "http://127.0.0.1:1") throws -> StoreProxy {
    let left = Mutex(actions)
    return try StoreProxy(to: store) { _ in
      left.withLock { $0.isEmpty ? .answer(status: 200) : $0.removeFirst() }
    }
  }

  @Test(
    "errors that pass are tried again",
    arguments: [
      (500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests"), (409, "ConditionalRequestConflict"),
      (400, "RequestTimeout"), (400, "BadDigest"),
    ])
  func transientErrors(_ status: Int, _ code: String) throws {
    let proxy = try proxy(Array(repeating: .answer(status: status, body: xml(code)), count: 2))
    defer { proxy.close() }
    #expect(try client(proxy).perform(S3Request("PUT", "k")).status == 200)
    #expect(proxy.requests.count == 3)
  }

  @Test("an error that does not pass is returned after the last attempt") func lastAttempt() throws {
    let proxy = try StoreProxy { _ in .answer(status: 503, body: "<Error><Code>SlowDown</Code></Error>") }
    defer { proxy.close() }
    let error = #expect(throws: S3Error.self) { try client(proxy).perform(S3Request("PUT", "k")) }
    #expect(error?.name == "SlowDown" && error?.disposition == .transient && proxy.requests.count == 4)
  }

  @Test(
    "errors that a person must fix are returned at once",
    arguments: [
      (403, "AccessDenied", Disposition.needsPerson), (404, "NoSuchBucket", .needsPerson),
      (403, "RequestTimeTooSkewed", .needsPerson), (400, "KeyTooLongError", .badInput),
      (301, "PermanentRedirect", .needsPerson), (501, "NotImplemented", .transient),
    ])
  func finalErrors(_ status: Int, _ code: String, _ disposition: Disposition) throws {
    let proxy = try StoreProxy { [body = xml(code)] _ in .answer(status: status, body: body) }
    defer { proxy.close() }
    let error = #expect(throws: S3Error.self) { try client(proxy).perform(.get("k")) }
    #expect(error?.name == code && error?.status == status && error?.disposition == disposition)
  }

  @Test("a connection that ends in mid-request is tried again, and that is known afterwards")
  func lostConnections() throws {
    let proxy = try proxy([.drop, .drop])
    defer { proxy.close() }
    let response = try client(proxy).perform(S3Request("PUT", "k"))
    #expect(response.status == 200 && response.isRepeated && proxy.requests.count == 3)
    #expect(try !client(proxy).perform(S3Request("PUT", "k")).isRepeated)
  }

  @Test("a creation whose answer was lost is answered with 412", .onStores, arguments: TestStore.all)
  func lostAnswer(_ store: TestStore) throws {
    let actions: [StoreProxy.Action] = [.loseAnswer, .pass]
    let left = Mutex(actions)
    let proxy = try StoreProxy(to: store.endpoint) { _ in left.withLock { $0.isEmpty ? .pass : $0.removeFirst() } }
    defer { proxy.close() }
    // A signature is for the address that the client sees, so the host of the proxy is signed, and the store checks that.
    try store.with(through: proxy.address) { client, prefix in
      let bytes = Array("x".utf8)
      let digest = bytes.withUnsafeBytes { SHA256.hash($0) }
      let response = try client.perform(.put("\(prefix)/x", .bytes(bytes), digest: digest, if: .isAbsent))
      #expect(response.status == 412 && response.isRepeated)
      #expect(try client.perform(.get("\(prefix)/x")).body == bytes)
    }
  }

  @Test("an answer that ends in mid-body is read again", .onStores, arguments: TestStore.all)
  func cutAnswer(_ store: TestStore) throws {
    let cuts = Mutex(2)
    let proxy = try StoreProxy(to: store.endpoint) { request in
      guard request.method == "GET" else { return .pass }
      return cuts.withLock {
        $0 -= 1
        return $0 >= 0 ? .cutAnswer(after: 20_000) : .pass
      }
    }
    defer { proxy.close() }
    try store.with(through: proxy.address) { client, prefix in
      let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
      let digest = bytes.withUnsafeBytes { SHA256.hash($0) }
      _ = try client.perform(.put("\(prefix)/x", .bytes(bytes), digest: digest))
      #expect(try client.perform(.get("\(prefix)/x")).body == bytes)
    }
  }

  @Test("an answer that ends within its headers is no answer", arguments: [5, 20, 30, 44])
  func cutHeaders(_ count: Int) throws {
    let whole = "HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 4\r\n\r\nbody"
    let cuts = Mutex(2)
    let proxy = try StoreProxy { _ in
      cuts.withLock {
        $0 -= 1
        return .raw($0 >= 0 ? String(decoding: whole.utf8.prefix(count), as: UTF8.self) : whole)
      }
    }
    defer { proxy.close() }
    let response = try client(proxy).perform(.get("k"))
    #expect(response.body == Array("body".utf8) && response.tag == "x" && proxy.requests.count == 3)
  }

  @Test("a listing follows its parts") func truncatedListing() throws {
    func page(_ keys: [String], next: String?) -> String {
      let contents = keys.map { "<Contents><Key>\($0)</Key><Size>1</Size></Contents>" }.joined()
      let more = next.map { "<IsTruncated>true</IsTruncated><NextContinuationToken>\($0)</NextContinuationToken>" }
      return "<ListBucketResult>\(contents)\(more ?? "<IsTruncated>false</IsTruncated>")</ListBucketResult>"
    }
    let (first, second) = (page(["a", "b"], next: "t+1"), page(["c"], next: nil))
    let proxy = try StoreProxy { request in
      .answer(status: 200, body: request.target.contains("continuation-token=t%2B1") ? second : first)
    }
    defer { proxy.close() }
    let client = client(proxy)
    var listing = S3Listing(client, prefix: "")
    #expect(try listing.all().map(\.key) == ["a", "b", "c"])
    // A part that does not say how to continue must not be taken for the end.
    let broken = try StoreProxy { _ in
      .answer(status: 200, body: "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
    }
    defer { broken.close() }
    var other = S3Listing(self.client(broken), prefix: "")
    #expect(throws: S3Error.self) { try other.all() }
  }

  @Test("an address without a store is reported") func noStore() throws {
    let proxy = try proxy([])
    let client = client(proxy)
    proxy.close()
    let error = #expect(throws: S3Error.self) { try client.perform(.get("k")) }
    #expect(error?.name == "COULDNT_CONNECT" && error?.disposition == .transient)
  }

  @Test("closing ends requests that wait") func closing() throws {
    let proxy = try StoreProxy { _ in .answer(status: 503) }
    defer { proxy.close() }
    var settings = S3Settings(
      bucket: "b", endpoint: S3Endpoint(proxy.address)!, region: "r",
      identity: .keys(S3Credentials(accessKey: "a", secretKey: "s")))
    settings.firstDelay = .seconds(600)
    settings.longestDelay = .seconds(600)
    let client = S3Client(settings)
    let task = BackgroundTask { try client.perform(.get("k")) }
    #expect(eventually { proxy.requests.count == 1 })
    client.close()
    #expect(throws: S3Error.self) { try task.finish() }
  }
}
