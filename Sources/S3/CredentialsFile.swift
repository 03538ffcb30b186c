import Platform

/// The shared credentials file of all S3 tools (`~/.aws/credentials`): sections `[profile]`, and `name = value` in them.
enum CredentialsFile {
  private static let mostBytes = 1 << 20

  static func read(_ path: String, profile: String) throws(CredentialsError) -> S3Credentials {
    let text: String
    do { text = try SmallFile.text(of: path, atMost: mostBytes) } catch {
      throw CredentialsError("the credentials file cannot be read: \(error)")
    }
    guard let section = section(profile, in: text) else {
      throw CredentialsError("\(path) has no profile [\(profile)]: set AWS_PROFILE to one that it has")
    }
    guard let access = section["aws_access_key_id"], let secret = section["aws_secret_access_key"] else {
      throw CredentialsError(
        "the profile [\(profile)] of \(path) has no aws_access_key_id and aws_secret_access_key: add them, or set "
          + "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    }
    return S3Credentials(accessKey: access, secretKey: secret, sessionToken: section["aws_session_token"])
  }

  private static func section(_ name: String, in text: String) -> [String: String]? {
    var found: [String: String]?
    var isIn = false
    for line in text.split(whereSeparator: \.isNewline) {
      let line = trimmed(line)
      if line.hasPrefix("["), line.hasSuffix("]") {
        isIn = trimmed(line.dropFirst().dropLast()) == name
        if isIn { found = found ?? [:] }
        continue
      }
      guard isIn, !line.hasPrefix("#"), !line.hasPrefix(";"), let sign = line.firstIndex(of: "=") else { continue }
      found?[trimmed(line[..<sign]).lowercased()] = trimmed(line[line.index(after: sign)...])
    }
    return found
  }

  static func trimmed(_ text: Substring) -> String {
    var text = text.drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
