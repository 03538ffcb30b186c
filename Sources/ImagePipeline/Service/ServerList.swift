import Platform

/// The value of KAFKA_BOOTSTRAP_SERVERS as people write it: separated by commas, semicolons or white space.
enum ServerList {
  /// - Returns: separated by commas alone, as librdkafka reads them; nil if there is none.
  static func joined(_ text: String) -> String? {
    let servers = text.split { $0 == "," || $0 == ";" || $0.isWhitespace }.map { SettingText.unquoted($0) }
      .filter { !$0.isEmpty }
    return servers.isEmpty ? nil : servers.joined(separator: ",")
  }
}
