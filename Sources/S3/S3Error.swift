package import Platform

/// A store did not do what it was asked for.
package struct S3Error: Error, Sendable, CustomStringConvertible, ClassifiedError, NamedError {
  /// The store's code, `SlowDown` for example, or that of the network: `COULDNT_CONNECT`.
  package let name: String
  /// The HTTP status; 0 if there was no answer.
  package let status: Int
  package let description: String
  package let disposition: Disposition

  init(name: String, status: Int, description: String, disposition: Disposition) {
    self.name = name
    self.status = status
    self.description = description
    self.disposition = disposition
  }

  init(_ error: TransferError, _ what: String) {
    self.init(
      name: error.name, status: 0, description: "\(what) failed: \(error.description)",
      disposition: error.kind == .transient ? .transient : error.kind == .ended ? .final : .needsPerson)
  }

  init(_ error: CredentialsError, _ what: String) {
    self.init(
      name: "Credentials", status: 0, description: "\(what) failed: \(error.description)",
      disposition: error.disposition)
  }

  /// An answer that the request does not accept.
  init(_ answer: TransferAnswer, _ what: String, bucket: String) {
    let document = XMLElement.parse(answer.body)
    let error = document?.name == "Error" ? document : nil
    let code = error?["Code"]?.text ?? Self.codes[answer.status] ?? "HTTP\(answer.status)"
    let message = error?["Message"]?.text ?? ""
    let fix = Self.fix(code, answer.status, bucket).map { ". " + $0 } ?? ""
    self.init(
      name: code, status: answer.status,
      description: "\(what) failed: the store answered \(answer.status) \(code)"
        + (message.isEmpty ? "" : " (\(message))") + fix,
      disposition: Self.disposition(code, answer.status))
  }

  /// Answers to HEAD have no body, and so no code.
  private static let codes = [
    301: "PermanentRedirect", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed", 429: "SlowDown",
    500: "InternalError", 503: "SlowDown",
  ]

  /// Codes whose cause is the key or the size of this one object.
  private static let ofInput: Set<String> = [
    "KeyTooLongError", "KeyTooLong", "InvalidObjectName", "InvalidURI", "EntityTooLarge", "XMinioInvalidObjectName",
    "MetadataTooLarge",
  ]

  private static func disposition(_ code: String, _ status: Int) -> Disposition {
    if ofInput.contains(code) { return .badInput }
    switch status {
    case 408, 409, 425, 429, 500...: return .transient
    // The bytes were altered on their way.
    case 400 where ["RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"].contains(code):
      return .transient
    default: return .needsPerson
    }
  }

  private static func fix(_ code: String, _ status: Int, _ bucket: String) -> String? {
    switch code {
    case "NoSuchBucket": return "Create the bucket \(bucket), or set another one in PROCESSED_IMAGES_DIR"
    case "SignatureDoesNotMatch": return "Check AWS_SECRET_ACCESS_KEY and AWS_REGION"
    case "InvalidAccessKeyId": return "Check AWS_ACCESS_KEY_ID"
    case "RequestTimeTooSkewed": return "Set the clock of this host or of the store: they differ too much"
    case "PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect":
      return "Check AWS_REGION, S3_ENDPOINT and S3_ADDRESSING: the bucket is elsewhere"
    case "NotImplemented": return "The store lacks a function that the pipeline needs; see docs/bucket.md"
    default: return status == 403 ? "Give these credentials the rights that docs/bucket.md lists" : nil
    }
  }

  /// Whether other credentials may be accepted: the time of these is over, or they were replaced.
  var isExpiry: Bool {
    ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidAccessKeyId", "InvalidToken"].contains(
      name)
  }
}
