import Platform
import Synchronization

/// Signs requests with AWS Signature Version 4, as docs.aws.amazon.com describes it for S3: the path is encoded once.
final class RequestSigner: Sendable {
  private struct Key {
    let secret: String
    let day: String
    let bytes: [UInt8]
  }

  private let region: String
  /// The key of a day, which four hashes make from the secret.
  private let key = Mutex<Key?>(nil)

  init(region: String) { self.region = region }

  /// - Parameters:
  ///   - path: encoded.
  ///   - query: encoded, and sorted by names.
  ///   - payload: the SHA-256 of the body, in hexadecimal digits.
  ///   - time: in ms since 1970.
  /// - Returns: the headers to send: those that were given, and the signature's own.
  func sign(
    _ method: String, host: String, path: String, query: String, headers: [(name: String, value: String)],
    payload: String, by credentials: S3Credentials, at time: Int64
  ) -> [(name: String, value: String)] {
    let stamp = Self.stamp(time)
    let day = String(stamp.prefix(8))
    var headers = headers + [("x-amz-content-sha256", payload), ("x-amz-date", stamp)]
    if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
    let signed = (headers.filter { $0.name.lowercased().hasPrefix("x-amz-") } + [("host", host)])
      .map { ($0.name.lowercased(), $0.value) }.sorted { $0.0 < $1.0 }
    let names = signed.map(\.0).joined(separator: ";")
    let canonical = [
      method, path, query, signed.map { "\($0.0):\($0.1)\n" }.joined(), names, payload,
    ].joined(separator: "\n")
    let scope = "\(day)/\(region)/s3/aws4_request"
    let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(Self.hash(canonical).hex)"
    let signature = Self.hash(text, key: signingKey(credentials.secretKey, day: day)).hex
    let authorization =
      "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
    headers.append(("Authorization", authorization))
    return headers
  }

  private func signingKey(_ secret: String, day: String) -> [UInt8] {
    key.withLock { key in
      if let key, key.secret == secret, key.day == day { return key.bytes }
      var bytes = Array("AWS4\(secret)".utf8)
      for part in [day, region, "s3", "aws4_request"] { bytes = Self.hash(part, key: bytes).bytes }
      key = Key(secret: secret, day: day, bytes: bytes)
      return bytes
    }
  }

  private static func hash(_ text: String) -> Digest {
    var text = text
    return text.withUTF8 { SHA256.hash(UnsafeRawBufferPointer($0)) }
  }

  private static func hash(_ text: String, key: [UInt8]) -> Digest {
    var text = text
    return text.withUTF8 { SHA256.hash(UnsafeRawBufferPointer($0), key: key) }
  }

  /// `20261130T012345Z`.
  static func stamp(_ time: Int64) -> String {
    let text = WallClock.iso8601(milliseconds: time)
    return text.filter { $0 != "-" && $0 != ":" }.prefix(15) + "Z"
  }
}
