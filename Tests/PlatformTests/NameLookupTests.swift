import Testing

@testable import Platform

/// Names of hosts, and their addresses.
@Suite struct NameLookupTests {
  @Test("a name has numeric addresses, each once, and an address is its own") func addresses() throws {
    let local = try TCPProbe.resolve("localhost", atMost: 10).get()
    #expect(!local.isEmpty && Set(local).count == local.count && Set(local).isSubset(of: ["127.0.0.1", "::1"]))
    #expect(try TCPProbe.resolve("127.0.0.1", atMost: 10).get() == ["127.0.0.1"])
    #expect(try TCPProbe.resolve("::1", atMost: 10).get() == ["::1"])
    #expect(try TCPProbe.resolve("127.0.0.1", atMost: 0).get() == [])
  }

  @Test("a name that nobody has is an error with the resolver's words") func unknownName() {
    let error = #expect(throws: TCPProbe.Unresolved.self) { try TCPProbe.resolve("nobody.invalid", atMost: 10).get() }
    #expect(error?.words.isEmpty == false)
  }

  @Test(
    "a host has the default port unless it has its own",
    arguments: [
      ("a", "a:80"), ("a:81", "a:81"), ("[::1]", "[::1]:80"), ("[::1]:81", "[::1]:81"), ("", nil), (":81", nil),
      ("a:", nil), ("a:b", nil),
    ])
  func ports(text: String, address: String?) {
    #expect(TCPProbe.Address(text[...], defaultPort: 80).map { "\($0)" } == address)
  }
}
