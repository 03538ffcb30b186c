import Platform
import S3

extension EnvironmentReader {
  /// Variables that a platform sets, not a person: they are in no list.
  private enum Platform {
    static let tokenFile = "AWS_WEB_IDENTITY_TOKEN_FILE"
    static let role = "AWS_ROLE_ARN"
    static let session = "AWS_ROLE_SESSION_NAME"
    static let tokenService = "AWS_ENDPOINT_URL_STS"
    static let fullURL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    static let relativeURL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    static let token = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    static let containerTokenFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    /// Of Amazon ECS.
    static let relativeHost = "http://169.254.170.2"
  }

  /// The bucket that a variable names.
  /// - Returns: nil if the value is a path, or if something is wrong.
  mutating func bucket(_ name: String) -> BucketSettings? {
    let value = text(name)
    guard value.hasPrefix(BucketAddress.scheme) else { return nil }
    guard let address = BucketAddress(value) else {
      problem(
        name, value,
        "use s3://BUCKET or s3://BUCKET/PREFIX, where the bucket has 3 to 63 lower-case letters, "
          + "digits, dots and hyphens")
      return nil
    }
    let region = text("AWS_REGION")
    let addressing = choice("S3_ADDRESSING", S3Endpoint.Addressing.allCases.map { ($0.rawValue, $0) }) ?? .path
    guard let endpoint = endpoint(region), let identity = identity(region) else { return nil }
    var store = S3Settings(
      bucket: address.bucket, endpoint: endpoint, addressing: addressing, region: region, identity: identity)
    if isSet("S3_CA") { store.certificates = path("S3_CA") }
    return BucketSettings(address: address, store: store)
  }

  private mutating func endpoint(_ region: String) -> S3Endpoint? {
    guard region.utf8.allSatisfy({ PageSettings.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }) else {
      problem("AWS_REGION", region, "use a region's name, such as us-east-1")
      return nil
    }
    guard isSet("S3_ENDPOINT") else { return .amazon(region: region) }
    if let endpoint = S3Endpoint(text("S3_ENDPOINT")) { return endpoint }
    problem(
      "S3_ENDPOINT", text("S3_ENDPOINT"), "use a URL of a host, such as https://s3.example.com or http://store:8333")
    return nil
  }

  // MARK: Credentials

  /// In the order of all S3 tools: keys, web identity, file, container. Problems do not repeat secrets.
  private mutating func identity(_ region: String) -> S3Identity? {
    let before = problemCount
    let access = secret("AWS_ACCESS_KEY_ID")
    let key = secret("AWS_SECRET_ACCESS_KEY")
    let token = secret("AWS_SESSION_TOKEN")
    guard problemCount == before else { return nil }
    switch (access, key) {
    case (let access?, let key?):
      return .keys(S3Credentials(accessKey: access, secretKey: key, sessionToken: token))
    case (nil, nil): return platformIdentity(region)
    default:
      problem("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both, or none of them")
      return nil
    }
  }

  private mutating func platformIdentity(_ region: String) -> S3Identity? {
    if let file = variable(Platform.tokenFile), let role = variable(Platform.role) {
      return .webIdentity(
        tokenFile: file, role: role, session: variable(Platform.session) ?? "image-pipeline",
        endpoint: variable(Platform.tokenService) ?? S3Endpoint.tokenService(region: region).description + "/")
    }
    let url = variable(Platform.fullURL) ?? variable(Platform.relativeURL).map { Platform.relativeHost + $0 }
    let file = variable("AWS_SHARED_CREDENTIALS_FILE") ?? variable("HOME").map { $0 + "/.aws/credentials" }
    if let file, isSet("AWS_SHARED_CREDENTIALS_FILE") || url == nil && Self.exists(file) {
      return .file(path: file, profile: text("AWS_PROFILE"))
    }
    if let url {
      return .container(
        url: url, token: variable(Platform.token), tokenFile: variable(Platform.containerTokenFile))
    }
    problem(
      "there are no credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or their _FILE forms), or "
        + "AWS_SHARED_CREDENTIALS_FILE")
    return nil
  }

  private static func exists(_ path: String) -> Bool { ((try? FileStatus.of(path)) ?? nil) != nil }

  /// A value, or that of the file which `NAME_FILE` names.
  private mutating func secret(_ name: String) -> String? {
    guard let path = variable(name + "_FILE") else { return variable(name) }
    do {
      let text = SettingText.unquoted(try SmallFile.text(of: path))
      if !text.isEmpty { return text }
      problem("\(name)_FILE=\(path) cannot be used: the file is empty")
    } catch { problem("\(name)_FILE=\(path) cannot be used: \(error)") }
    return nil
  }
}
