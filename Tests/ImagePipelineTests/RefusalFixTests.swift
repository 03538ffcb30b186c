import Testing

@testable import ImagePipeline
@testable import Kafka

/// What a person reads when the broker refuses for good.
@Suite struct RefusalFixTests {
  @Test("every error that needs a person has a fix") func everyErrorHasAFix() {
    for error in KafkaError.all where error.nature == .needsPerson || error.nature == .refusedMessage {
      #expect(!RefusalFix.text(for: error).isEmpty, "\(error.name)")
    }
  }

  @Test("the fixes are of errors that exist and need them") func fixesAreOfSuchErrors() {
    let names = Set(
      KafkaError.all.filter { $0.nature == .needsPerson || $0.nature == .refusedMessage }.map(\.name))
    for name in RefusalFix.names { #expect(names.contains(name), "\(name)") }
  }

  @Test("a wrong clock is named with the time that it shows") func aWrongClockIsNamed() throws {
    let error = try #require(KafkaError.all.first { $0.name == "INVALID_TIMESTAMP" })
    #expect(RefusalFix.text(for: error, now: 1_800_000_000_000).contains("2027-01-15T08:00:00.000Z"))
  }
}
