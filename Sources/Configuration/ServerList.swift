import Platform

/// The brokers to contact first, as people list them in `KAFKA_BOOTSTRAP_SERVERS`: `host:port`, separated by commas,
/// semicolons or white space.
///
/// librdkafka drops a server that it cannot parse, tries port 99999 as 34463, and reports both only in its log. So the
/// list is checked before a client is created.
enum ServerList {
  private static let protocols = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]

  /// - Returns: the servers separated by commas only, as librdkafka reads them; nil if there is none.
  static func joined(_ text: String) -> String? {
    let servers = servers(in: text)
    return servers.isEmpty ? nil : servers.joined(separator: ",")
  }

  /// How to correct the list; nil if nothing is wrong with it.
  /// - Parameter securityProtocol: `security.protocol`, in lower case.
  static func fix(_ text: String, securityProtocol: String) -> String? {
    let servers = servers(in: text)
    if servers.isEmpty { return "name at least one server: host:port,host:port" }
    return servers.lazy.compactMap { fix(server: $0, securityProtocol) }.first
  }

  private static func servers(in text: String) -> [String] {
    text.split { $0 == "," || $0 == ";" || $0.isWhitespace }.map { SettingText.unquoted($0) }.filter { !$0.isEmpty }
  }

  private static func fix(server: String, _ securityProtocol: String) -> String? {
    var address = server[...]
    if let mark = server.firstRange(of: "://") {
      let name = server[..<mark.lowerBound]
      if let fix = fix(scheme: name, securityProtocol) { return fix }
      address = server[mark.upperBound...]
    }
    // librdkafka ignores the path of a URL.
    address = address.prefix { $0 != "/" }
    if address.contains(where: { "\"'@|".contains($0) }) {
      return "write each server as host:port, and separate them by commas: \(server) is neither"
    }
    return fix(address: address)
  }

  private static func fix(scheme: Substring, _ securityProtocol: String) -> String? {
    guard protocols.contains(scheme.lowercased()) else {
      return "leave out \(scheme)://. A server is host:port; KAFKA_SECURITY_PROTOCOL is the listener's protocol"
    }
    guard scheme.lowercased() != securityProtocol else { return nil }
    return "set KAFKA_SECURITY_PROTOCOL=\(scheme.uppercased()), or leave out \(scheme)://. The protocol is "
      + "\(securityProtocol.uppercased()) now"
  }

  /// How to correct one address, `host` or `host:port`; nil if nothing is wrong with its port.
  static func fix(address: Substring) -> String? {
    var port: Substring?
    if address.hasPrefix("[") {
      guard let end = address.firstIndex(of: "]") else { return "close the bracket of \(address): [::1]:9092" }
      let rest = address[address.index(after: end)...]
      if rest.isEmpty { return nil }
      guard rest.hasPrefix(":") else { return "write [address]:port instead of \(address)" }
      port = rest.dropFirst()
    } else if let colon = address.lastIndex(of: ":") {
      guard address.firstIndex(of: ":") == colon else { return "put an IPv6 address into brackets: [::1]:9092" }
      port = address[address.index(after: colon)...]
    }
    guard let port else { return nil }
    let isNumber = !port.isEmpty && port.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    if isNumber, let number = Int(port), (1...65_535).contains(number) { return nil }
    return "use a port from 1 to 65535 in \(address)"
  }
}
