import Platform
import Wire

/// Credentials that a service of the platform gives out for an hour or so.
enum TemporaryCredentials {
  private static let patience = Duration.seconds(20)

  /// The request for credentials.
  static func request(for identity: S3Identity) throws(CredentialsError) -> TransferRequest? {
    switch identity {
    case .keys, .file: return nil
    case .webIdentity(let tokenFile, let role, let session, let endpoint):
      let token = try self.token(tokenFile)
      let query = URLEncoding.query([
        ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
        ("RoleSessionName", session), ("WebIdentityToken", token),
      ])
      // In the body, not in the URL: proxies log URLs.
      return TransferRequest(
        "POST", endpoint, headers: [("Content-Type", "application/x-www-form-urlencoded")],
        body: .bytes(Array(query.utf8)), limit: patience)
    case .container(let url, let token, let tokenFile):
      let token = if let tokenFile { try self.token(tokenFile) as String? } else { token }
      return TransferRequest("GET", url, headers: token.map { [("Authorization", $0)] } ?? [], limit: patience)
    }
  }

  private static func token(_ path: String) throws(CredentialsError) -> String {
    do { return CredentialsFile.trimmed(try SmallFile.text(of: path)[...]) } catch {
      throw CredentialsError("the token for credentials cannot be read: \(error)")
    }
  }

  static func credentials(
    from answer: Result<TransferAnswer, TransferError>, for identity: S3Identity, url: String
  ) throws(CredentialsError) -> S3Credentials {
    let body: [UInt8]
    switch answer {
    case .failure(let error):
      throw CredentialsError(
        "no credentials from \(url): \(error.description)", error.kind == .transient ? .transient : .needsPerson)
    case .success(let answer) where answer.status != 200:
      let excerpt = String(decoding: answer.body.prefix(300), as: UTF8.self)
      let passes = answer.status >= 500 || answer.status == 429
      throw CredentialsError(
        "no credentials from \(url): status \(answer.status), \(excerpt)", passes ? .transient : .needsPerson)
    case .success(let answer): body = answer.body
    }
    let found = if case .webIdentity = identity { fromXML(body) } else { fromJSON(body) }
    guard let found else { throw CredentialsError("\(url) did not answer with credentials", .transient) }
    return found
  }

  private static func fromXML(_ body: [UInt8]) -> S3Credentials? {
    guard let found = XMLElement.parse(body)?["AssumeRoleWithWebIdentityResult", "Credentials"],
      let access = found["AccessKeyId"]?.text, let secret = found["SecretAccessKey"]?.text
    else { return nil }
    return S3Credentials(
      accessKey: access, secretKey: secret, sessionToken: found["SessionToken"]?.text,
      expiry: found["Expiration"].flatMap { expiry($0.text) })
  }

  private static func fromJSON(_ body: [UInt8]) -> S3Credentials? {
    var fields: [String: String] = [:]
    try? body.withUnsafeBytes { bytes in
      var scanner = JSONScanner(bytes)
      try scanner.members { (scanner, key) throws(EnvelopeError) in
        if ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"].contains(key) {
          fields[key] = try scanner.string(of: key).string(in: bytes)
        } else {
          try scanner.skipValue()
        }
      }
    }
    guard let access = fields["AccessKeyId"], let secret = fields["SecretAccessKey"] else { return nil }
    return S3Credentials(
      accessKey: access, secretKey: secret, sessionToken: fields["Token"], expiry: fields["Expiration"].flatMap(expiry))
  }

  /// Services write it with or without milliseconds.
  private static func expiry(_ text: String) -> Int64? {
    if let time = WallClock.milliseconds(iso8601: text) { return time }
    guard text.hasSuffix("Z") else { return nil }
    return WallClock.milliseconds(iso8601: text.dropLast() + ".000Z")
  }
}
