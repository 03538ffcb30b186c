package import Platform

/// The keys with which a client signs its requests.
package struct S3Credentials: Sendable, Equatable, CustomStringConvertible {
  package var accessKey: String
  package var secretKey: String
  /// Of temporary credentials.
  package var sessionToken: String?
  /// In ms since 1970; nil: they do not expire.
  package var expiry: Int64?

  package init(accessKey: String, secretKey: String, sessionToken: String? = nil, expiry: Int64? = nil) {
    self.accessKey = accessKey
    self.secretKey = secretKey
    self.sessionToken = sessionToken
    self.expiry = expiry
  }
}

extension S3Credentials {
  /// Without the secrets, so that nothing prints them by mistake.
  package var description: String { "the access key \(accessKey)" }
}

/// Where credentials come from.
package enum S3Identity: Sendable, Equatable, CustomStringConvertible {
  case keys(S3Credentials)
  /// A profile of the shared credentials file.
  case file(path: String, profile: String)
  /// A token that Kubernetes renews in a file, exchanged for credentials of a role (AssumeRoleWithWebIdentity).
  case webIdentity(tokenFile: String, role: String, session: String, endpoint: String)
  /// A service of the host, as Amazon ECS and EKS Pod Identity have it.
  /// - Parameter tokenFile: for the header `Authorization`; `token` if it is not in a file.
  case container(url: String, token: String?, tokenFile: String?)

  package var description: String {
    switch self {
    case .keys(let keys): keys.description
    case .file(let path, let profile): "the profile \(profile) of \(path)"
    case .webIdentity(_, let role, _, _): "the role \(role)"
    case .container(let url, _, _): "the credentials of \(url)"
    }
  }
}

/// Credentials could not be obtained.
package struct CredentialsError: Error, Sendable, CustomStringConvertible, ClassifiedError {
  package let description: String
  package let disposition: Disposition

  init(_ description: String, _ disposition: Disposition = .needsPerson) {
    self.description = description
    self.disposition = disposition
  }
}
