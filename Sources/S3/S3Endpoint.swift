/// The address of a store.
package struct S3Endpoint: Sendable, Equatable {
  /// `http` or `https`.
  package let scheme: String
  /// The host, with its port unless that is the scheme's own.
  package let host: String

  /// How a bucket is named in a request.
  package enum Addressing: String, Sendable, CaseIterable {
    /// `https://host/bucket/key`, which every store understands.
    case path
    /// `https://bucket.host/key`.
    case virtual
  }

  /// - Returns: nil unless the text is a URL of a host: `https://s3.example.com`, `http://127.0.0.1:8333`.
  package init?(_ text: String) {
    guard let end = text.firstRange(of: "://") else { return nil }
    scheme = text[..<end.lowerBound].lowercased()
    var rest = text[end.upperBound...]
    if rest.last == "/" { rest.removeLast() }
    let isHost = rest.utf8.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"),
        UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard ["http", "https"].contains(scheme), !rest.isEmpty, isHost else { return nil }
    // A client that sends the scheme's own port in `Host` signs another host than the server sees.
    let own = scheme == "http" ? ":80" : ":443"
    host = rest.lowercased().hasSuffix(own) ? String(rest.dropLast(own.count)) : String(rest)
  }

  /// Amazon's own endpoint of a region.
  package static func amazon(region: String) -> S3Endpoint { amazon("s3", region) }

  /// Amazon's token service of a region.
  package static func tokenService(region: String) -> S3Endpoint { amazon("sts", region) }

  private static func amazon(_ service: String, _ region: String) -> S3Endpoint {
    S3Endpoint("https://\(service).\(region).amazonaws.com\(region.hasPrefix("cn-") ? ".cn" : "")")!
  }

  package var description: String { "\(scheme)://\(host)" }

  /// Host and path of a request.
  /// - Parameter key: of an object; nil: the bucket itself.
  func location(_ bucket: String, _ key: String?, _ addressing: Addressing) -> (host: String, path: String) {
    let key = key.map { URLEncoding.encode($0, keepsSlashes: true) } ?? ""
    return switch addressing {
    case .path: (host, "/" + URLEncoding.encode(bucket) + (key.isEmpty ? "" : "/" + key))
    case .virtual: ("\(bucket).\(host)", "/" + key)
    }
  }
}
