import Testing

@testable import S3

@Suite struct RequestSignerTests {
  private let keys = S3Credentials(
    accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
  private static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  /// 2013-05-24T00:00:00Z
  private let time: Int64 = 1_369_353_600_000

  private func authorization(_ headers: [(name: String, value: String)]) -> String {
    headers.first { $0.name == "Authorization" }?.value ?? ""
  }

  // "Example: GET Bucket (List Objects)" in "Authenticating Requests: Using the Authorization Header" of the S3 API
  // Reference.
  @Test("a request is signed as the protocol's documentation has it") func documentedExample() {
    let signed = RequestSigner(region: "us-east-1").sign(
      "GET", host: "examplebucket.s3.amazonaws.com", path: "/", query: "max-keys=2&prefix=J", headers: [],
      payload: Self.empty, by: keys, at: time)
    #expect(
      authorization(signed).hasSuffix("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
      "\(authorization(signed))")
    #expect(authorization(signed).contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"))
    #expect(authorization(signed).contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date"))
  }

  @Test("the token of temporary credentials is sent and signed") func sessionToken() {
    var temporary = keys
    temporary.sessionToken = "token"
    let signed = RequestSigner(region: "r").sign(
      "GET", host: "h", path: "/", query: "", headers: [], payload: Self.empty, by: temporary, at: time)
    #expect(signed.contains { $0 == ("x-amz-security-token", "token") })
    #expect(authorization(signed).contains("x-amz-date;x-amz-security-token"))
  }

  @Test("another day, secret or header is another signature") func differences() {
    let signer = RequestSigner(region: "us-east-1")
    var other = keys
    other.secretKey = "other"
    func signature(_ keys: S3Credentials, _ time: Int64, _ headers: [(name: String, value: String)] = []) -> String {
      authorization(
        signer.sign(
          "PUT", host: "h", path: "/k", query: "", headers: headers, payload: Self.empty, by: keys, at: time))
    }
    let all = [
      signature(keys, time), signature(other, time), signature(keys, time + 86_400_000),
      signature(keys, time, [("x-amz-meta-a", "1")]), signature(keys, time, [("x-amz-meta-a", "2")]),
    ]
    #expect(Set(all).count == all.count)
    #expect(signature(keys, time) == all[0])
    // Headers that proxies may change are not signed.
    #expect(signature(keys, time, [("Content-Type", "image/png")]) == all[0])
  }
}
