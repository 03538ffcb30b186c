package import Platform

/// A request to a bucket.
package struct S3Request: Sendable {
  package var method: String
  /// Of the object; nil: the request is about the bucket.
  package var key: String?
  package var query: [(name: String, value: String)] = []
  package var headers: [(name: String, value: String)] = []
  package var body = TransferBody.none
  /// The SHA-256 of the body; nil: the client computes it.
  package var digest: Digest?
  package var sink: (@Sendable (UnsafeRawBufferPointer) -> Bool)?
  /// Statuses that are no error, besides those from 200 to 299.
  package var accepted: Set<Int> = []

  package init(_ method: String, _ key: String? = nil) {
    self.method = method
    self.key = key
  }

  /// What must be true of an object for a PUT or DELETE to be carried out. Otherwise the status is 412.
  package enum Condition: Sendable {
    case none
    /// There is no object with this key.
    case isAbsent
    /// The object has this ETag.
    case isVersion(String)

    fileprivate var header: (name: String, value: String)? {
      switch self {
      case .none: nil
      case .isAbsent: ("If-None-Match", "*")
      // Without its quotes: all known stores accept that, and Ceph accepts nothing else.
      case .isVersion(let tag): ("If-Match", tag)
      }
    }
  }

  /// Stores an object. The store checks that it has received exactly these bytes.
  /// - Parameters:
  ///   - digest: of the body.
  ///   - metadata: names and values in ASCII.
  package static func put(
    _ key: String, _ body: TransferBody, digest: Digest, type: String? = nil, metadata: [(String, String)] = [],
    if condition: Condition = .none
  ) -> S3Request {
    var request = S3Request("PUT", key)
    request.body = body
    request.digest = digest
    request.headers = [("x-amz-checksum-sha256", Base64.text(of: digest))]
    if let type { request.headers.append(("Content-Type", type)) }
    for (name, value) in metadata { request.headers.append(("x-amz-meta-" + name, value)) }
    if let header = condition.header {
      request.headers.append(header)
      request.accepted = [412]
    }
    return request
  }

  /// Reads an object. 404 is an answer, unless the bucket is missing.
  package static func get(_ key: String, range: Range<Int>? = nil) -> S3Request {
    var request = S3Request("GET", key)
    request.accepted = [404]
    if let range, !range.isEmpty { request.headers = [("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")] }
    return request
  }

  /// Asks for an object's headers. A 404 may also mean that there is no such bucket: it has no body that would tell.
  package static func head(_ key: String) -> S3Request {
    var request = S3Request("HEAD", key)
    request.accepted = [404]
    return request
  }

  package static func delete(_ key: String) -> S3Request {
    var request = S3Request("DELETE", key)
    request.accepted = [404]
    return request
  }
}

/// The answer of a store, with a status that the request accepts.
package struct S3Response: Sendable {
  package let status: Int
  package let headers: [String: String]
  package let body: [UInt8]
  /// Whether an earlier attempt of this request got no answer, so that the store may have carried it out.
  package var isRepeated = false

  /// The version of the object, without quotes.
  package var tag: String? {
    headers["etag"].map {
      $0.hasPrefix("\"") && $0.hasSuffix("\"") && $0.count > 1 ? String($0.dropFirst().dropLast()) : $0
    }
  }

  /// The store's clock, in ms since 1970; nil if it does not tell.
  package var time: Int64? { headers["date"].flatMap { HTTPDate.milliseconds($0) } }

  package var length: Int? { headers["content-length"].flatMap { Int($0) } }

  package func metadata(_ name: String) -> String? { headers["x-amz-meta-" + name] }
}
