import Glibc
import TestSupport
import Testing

private let secured = getenv("KAFKA_TEST_SECURED").map { String(cString: $0) }

/// Doctor on a broker with authentication. `KAFKA_TEST_SECURED` names the folder that `Tests/Secured/prepare.sh`
/// filled.
@Suite(.ownThread, .enabled("KAFKA_TEST_SECURED names no secured broker") { secured != nil })
struct SecuredBrokerDoctorTests {
  private let folder = TestFolder()
  private let place = secured ?? ""

  private func address(_ name: String) throws -> String {
    let scratch = try #require(try? String(decoding: read("\(place)/addresses"), as: UTF8.self))
    let line = scratch.split(separator: "\n").first { $0.hasPrefix(name + "=") }
    return String(try #require(line).dropFirst(name.utf8.count + 1))
  }

  private func read(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    return Array(bytes.prefix(max(0, count)))
  }

  private func doctor(_ listener: String, _ environment: [String: String]) throws -> (code: Int32?, output: String) {
    try folder.write("images/a.jpg", [1])
    let usual = [
      "KAFKA_BOOTSTRAP_SERVERS": try address(listener), "KAFKA_SECURITY_PROTOCOL": "SSL", "TOPIC": "doctor-images",
      "KAFKA_SSL_CA_LOCATION": place + "/ca.pem",
    ]
    let program = try Program(["doctor", "--json"], in: folder, environment: usual.merging(environment) { $1 })
    return (program.exitCode(), program.output)
  }

  @Test(
    "every failure to log in is reported with its fix",
    arguments: [
      (
        "tls", ["KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"],
        "KAFKA_SECURITY_PROTOCOL"
      ),
      ("tls", ["KAFKA_SSL_CA_LOCATION": "another-ca.pem"], "KAFKA_SSL_CA_LOCATION"),
      ("mutual", [:], "KAFKA_SSL_CERTIFICATE_LOCATION"),
      (
        "sasl",
        [
          "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "carrier",
          "KAFKA_SASL_PASSWORD": "another",
        ], "KAFKA_SASL_PASSWORD"
      ),
    ])
  func loginFailuresHaveFixes(listener: String, environment: [String: String], variable: String) throws {
    var environment = environment
    if let name = environment["KAFKA_SSL_CA_LOCATION"] { environment["KAFKA_SSL_CA_LOCATION"] = place + "/" + name }
    let (code, output) = try doctor(listener, environment)
    #expect(code == 1, "\(output)")
    let problem = output.results.first { $0.has(["check": "broker_protocol", "finding": "problem"]) }
    #expect(problem?["cure"]?.contains(variable) == true, "\(output)")
  }

  @Test("a user without rights is told which are missing") func missingRightsAreListed() throws {
    // No other test gives this user a right.
    let bystander = [
      "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "bystander",
      "KAFKA_SASL_PASSWORD_FILE": place + "/password",
    ]
    let (code, output) = try doctor("sasl", bystander)
    #expect(code == 1, "\(output)")
    for right in [
      "DescribeConfigs right on the cluster", "Describe right on topic doctor-images", "IdempotentWrite right",
    ] {
      let isNamed = output.results.contains { finding in
        finding.members.values.contains { $0.contains(" bystander ") && $0.contains(right) }
      }
      #expect(isNamed, "\(right) in \(output)")
    }
    #expect(output.contains("kafka-acls --add --allow-principal User:bystander"), "\(output)")
    let carrier = try doctor("sasl", bystander.merging(["KAFKA_SASL_USERNAME": "carrier"]) { $1 })
    #expect(carrier.code == 0, "\(carrier.output)")
  }
}
