package import Platform

/// The settings of the page.
package struct PageSettings: Equatable, Sendable {
  package var address: String
  package var port: Int
  /// Names under which browsers may reach the page, besides those of this machine's loopback.
  package var hosts: [String]
  /// The producers and consumers whose metrics are shown. A name may have several addresses.
  package var sides: [TCPProbe.Address]
  /// The output whose pictures are shown.
  package var output: String
  /// The folder that the page tells people to put images into.
  package var input: String
  /// What a person has to know to change something; nil: nobody can change anything.
  package var token: PageToken?

  package init(
    address: String, port: Int, hosts: [String] = [], sides: [TCPProbe.Address] = [], output: String, input: String,
    token: PageToken? = nil
  ) {
    self.address = address
    self.port = port
    self.hosts = hosts
    self.sides = sides
    self.output = output
    self.input = input
    self.token = token
  }

  /// The port of a side that is named without one: `HTTP_PORT` in the containers.
  static let sidePort = 8080

  static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  /// Whether a host ends in a port. The colons of an IPv6 address are in brackets.
  static func hasPort(_ host: String) -> Bool { host.hasPrefix("[") ? !host.hasSuffix("]") : host.contains(":") }
}
