/// The rules by which a store removes or moves objects of a bucket on its own.
package struct BucketLifecycle: Sendable, Equatable {
  package struct Rule: Sendable, Equatable {
    /// The rule's name; empty if it has none.
    package let name: String
    /// Of the keys that it is about.
    package let prefix: String
    package let effect: Effect
    /// When: `30 days after they were stored`.
    package let time: String
  }

  package enum Effect: Sendable, Equatable {
    case deletes
    /// Objects of these storage classes cannot be read at once.
    case archives(String)
  }

  package let rules: [Rule]

  init(rules: [Rule]) { self.rules = rules }

  /// Asks the store.
  /// - Throws: `S3Error`, for example if a right is missing, or if the store has no such rules at all.
  package init(_ client: any S3Requests) throws {
    var request = S3Request("GET")
    request.query = [("lifecycle", "")]
    request.accepted = [404]
    let response = try client.perform(request)
    rules = response.status == 404 ? [] : Self.rules(response.body)
  }

  /// - Parameter text: a lifecycle configuration.
  static func rules(_ text: [UInt8]) -> [Rule] {
    (XMLElement.parse(text)?.all("Rule") ?? []).filter { rule in
      // Objects of an output have no tags.
      rule["Status"]?.text == "Enabled" && rule["Filter", "Tag"] == nil && rule["Filter", "And", "Tag"] == nil
    }.flatMap { rule in
      let name = rule["ID"]?.text ?? ""
      let prefix =
        (rule["Filter", "And", "Prefix"] ?? rule["Filter", "Prefix"] ?? rule["Prefix"])?.text ?? ""
      let expirations = rule.all("Expiration").compactMap { time(of: $0) }.map {
        Rule(name: name, prefix: prefix, effect: .deletes, time: $0)
      }
      let transitions = rule.all("Transition").compactMap { transition -> Rule? in
        guard let storage = transition["StorageClass"]?.text, archives.contains(storage),
          let time = time(of: transition)
        else { return nil }
        return Rule(name: name, prefix: prefix, effect: .archives(storage), time: time)
      }
      return expirations + transitions
    }
  }

  private static let archives: Set<String> = ["GLACIER", "DEEP_ARCHIVE"]

  /// nil if the action is about something else than an object's age, such as the marks of removed ones.
  private static func time(of action: XMLElement) -> String? {
    if let days = action["Days"]?.text { return "\(days) days after they were stored" }
    return action["Date"].map { "on \($0.text)" }
  }

  /// The rules about some of the keys that begin with a prefix.
  package func rules(about prefix: String) -> [Rule] {
    rules.filter { $0.prefix.utf8.starts(with: prefix.utf8) || prefix.utf8.starts(with: $0.prefix.utf8) }
  }
}
