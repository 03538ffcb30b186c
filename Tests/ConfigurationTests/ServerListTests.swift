import Testing

@testable import Configuration

@Suite struct ServerListTests {
  private func problems(_ servers: String, _ more: [String: String] = [:]) -> [String] {
    KafkaProperties(["KAFKA_BOOTSTRAP_SERVERS": servers].merging(more) { $1 }).problems
  }

  @Test(
    "a list that librdkafka understands is accepted",
    arguments: [
      "localhost:9092", "broker", "a:1,b:65535", " a:1 , b:2 ,", "PLAINTEXT://a:9092", "plaintext://a:9092/path",
      "[::1]:9092", "[::1]", "10.0.0.1:09092", ":9092",
    ]) func validListIsAccepted(servers: String)
  {
    #expect(problems(servers) == [])
  }

  @Test(
    "an invalid list is refused with variable, value and fix",
    arguments: [
      ("kafka://a:9092", "leave out kafka://"), ("a:1,http://b:2", "leave out http://"), ("://a:1", "leave out ://"),
      ("a:99999", "1 to 65535"), ("a:0", "1 to 65535"), ("a:1,b:65536", "1 to 65535"), ("a:", "1 to 65535"),
      ("a:x", "1 to 65535"), ("a:+1", "1 to 65535"), ("[::1]:99999", "1 to 65535"), ("SSL://a:99999", "PROTOCOL"),
      ("::1:9092", "brackets"), ("[::1:9092", "bracket"), ("[::1]9092", "[address]:port"),
      ("user@a:1", "commas"), (",", "broker:9092"),
    ]) func invalidListIsRefused(servers: String, fix: String) throws
  {
    let found = problems(servers)
    #expect(found.count == 1)
    #expect(try #require(found.first).hasPrefix("KAFKA_BOOTSTRAP_SERVERS=\(servers) cannot be used: "))
    #expect(try #require(found.first).contains(fix), "\(found)")
  }

  @Test("a protocol before a server must be the one that is set") func protocolMustBeTheOneSet() {
    #expect(problems("SSL://a:9093").first?.contains("KAFKA_SECURITY_PROTOCOL=SSL") == true)
    #expect(problems("SSL://a:9093", ["KAFKA_SECURITY_PROTOCOL": "SSL"]) == [])
    #expect(
      problems("sasl_ssl://a:9093", ["KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN"]) == [])
    #expect(problems("PLAINTEXT://a:9092", ["KAFKA_SECURITY_PROTOCOL": "SSL"]).count == 1)
  }

  @Test("the named variable is the one that holds the list") func listVariableIsNamed() {
    let found = KafkaProperties(["KAFKA_METADATA_BROKER_LIST": "a:99999"]).problems
    #expect(found.first?.hasPrefix("KAFKA_METADATA_BROKER_LIST=a:99999 ") == true, "\(found)")
  }
}
