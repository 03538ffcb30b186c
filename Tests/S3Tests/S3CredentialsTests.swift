import Platform
import StoreSupport
import Synchronization
import TestSupport
import Testing

@testable import S3

@Suite(OwnThread()) struct S3CredentialsTests {
  private func get(_ identity: S3Identity) throws -> S3Credentials {
    let transfers = Transfers(connections: 4)
    defer { transfers.close() }
    return try get(RenewedCredentials(identity, transfers))
  }

  private func get(_ credentials: RenewedCredentials) throws -> S3Credentials {
    let box = Mutex<Result<S3Credentials, CredentialsError>?>(nil)
    let boxed = Boxed(box)
    credentials.get { result in boxed.value.withLock { $0 = result } }
    #expect(eventually { boxed.value.withLock { $0 != nil } })
    return try boxed.value.withLock { $0! }.get()
  }

  private final class Boxed: Sendable {
    let value: Mutex<Result<S3Credentials, CredentialsError>?>
    init(_ value: consuming Mutex<Result<S3Credentials, CredentialsError>?>) { self.value = value }
  }

  @Test("a profile of the credentials file is found") func file() throws {
    let folder = TestFolder()
    try folder.write(
      "credentials",
      """
      # comment
      [default]
      aws_access_key_id=A
      aws_secret_access_key = S=1
      [ other ]
      AWS_ACCESS_KEY_ID = B
      aws_secret_access_key = T
      aws_session_token = U
      [half]
      aws_access_key_id = C
      """)
    func read(_ profile: String) throws -> S3Credentials {
      try get(.file(path: folder / "credentials", profile: profile))
    }
    #expect(try read("default") == S3Credentials(accessKey: "A", secretKey: "S=1"))
    #expect(try read("other") == S3Credentials(accessKey: "B", secretKey: "T", sessionToken: "U"))
    for profile in ["half", "none"] { #expect(throws: CredentialsError.self) { try read(profile) } }
    #expect(throws: CredentialsError.self) { try get(.file(path: folder / "none", profile: "default")) }
  }

  @Test("a token is exchanged for the credentials of a role") func webIdentity() throws {
    let folder = TestFolder()
    try folder.write("token", "to/ken\n")
    let answer = """
      <AssumeRoleWithWebIdentityResponse xmlns="x"><AssumeRoleWithWebIdentityResult><Credentials>
      <AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>
      <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
      </AssumeRoleWithWebIdentityResponse>
      """
    let proxy = try StoreProxy { _ in .answer(status: 200, body: answer) }
    defer { proxy.close() }
    let found = try get(
      .webIdentity(tokenFile: folder / "token", role: "arn:aws:iam::1:role/r", session: "s", endpoint: proxy.address))
    #expect(found == S3Credentials(accessKey: "A", secretKey: "S", sessionToken: "T", expiry: 4_102_444_800_000))
    let body = String(decoding: proxy.requests[0].body, as: UTF8.self)
    #expect(body.contains("WebIdentityToken=to%2Fken") && body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
    #expect(!proxy.requests[0].target.contains("Token"))
  }

  private static let json = """
    {"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"EXPIRY","AccountId":"1","x":{"y":[1]}}
    """

  @Test("a service of the host is asked with its token") func container() throws {
    let proxy = try StoreProxy { _ in
      .answer(status: 200, body: Self.json.replacing("EXPIRY", with: "2100-01-01T00:00:00Z"))
    }
    defer { proxy.close() }
    let found = try get(.container(url: proxy.address + "/v1", token: "secret", tokenFile: nil))
    #expect(found == S3Credentials(accessKey: "A", secretKey: "S", sessionToken: "T", expiry: 4_102_444_800_000))
    #expect(proxy.requests[0].headers["authorization"] == "secret" && proxy.requests[0].target == "/v1")
  }

  @Test("credentials are asked for once, and renewed before they expire") func renewal() throws {
    let minutes = Mutex<Int64>(60)
    let proxy = try StoreProxy { _ in
      let time = WallClock.milliseconds + minutes.withLock { $0 } * 60_000
      return .answer(status: 200, body: Self.json.replacing("EXPIRY", with: WallClock.iso8601(milliseconds: time)))
    }
    defer { proxy.close() }
    let transfers = Transfers(connections: 4)
    defer { transfers.close() }
    let credentials = RenewedCredentials(.container(url: proxy.address, token: nil, tokenFile: nil), transfers)
    for _ in 1...5 { _ = try get(credentials) }
    #expect(proxy.requests.count == 1)
    // They are valid for another three minutes: used, and renewed meanwhile.
    minutes.withLock { $0 = 3 }
    let short = RenewedCredentials(
      .container(url: proxy.address, token: nil, tokenFile: nil), transfers, pause: 0)
    _ = try get(short)
    _ = try get(short)
    #expect(eventually { proxy.requests.count == 3 })
  }

  @Test("a service that fails is reported, and asked again") func failures() throws {
    let answers = Mutex([500, 200])
    let proxy = try StoreProxy { _ in
      .answer(
        status: answers.withLock { $0.removeFirst() }, body: Self.json.replacing("EXPIRY", with: "2100-01-01T00:00:00Z")
      )
    }
    defer { proxy.close() }
    let transfers = Transfers(connections: 4)
    defer { transfers.close() }
    let credentials = RenewedCredentials(.container(url: proxy.address, token: nil, tokenFile: nil), transfers)
    let error = #expect(throws: CredentialsError.self) { try get(credentials) }
    #expect(error?.disposition == .transient)
    #expect(try get(credentials).accessKey == "A")
  }
}
