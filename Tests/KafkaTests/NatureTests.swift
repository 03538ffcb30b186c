import TestSupport
import Testing

@testable import Kafka

/// The table that decides how each error of the library is handled.
@Suite struct NatureTests {
  @Test("every error code has a nature") func everyCodeHasANature() {
    let all = KafkaError.all
    #expect(all.count > 150, "\(all.count)")
    let unknown = all.filter { KafkaError.natures[$0.code] == nil && $0.code <= 97 }
    #expect(unknown.isEmpty, "\(unknown.map(\.name))")
  }

  @Test("no error code has two natures") func noCodeHasTwoNatures() {
    let codes = KafkaError.table.flatMap(\.codes)
    let duplicates = Dictionary(grouping: codes) { $0 }.filter { $0.value.count > 1 }.keys
    #expect(duplicates.isEmpty, "\(duplicates)")
  }

  @Test("an unknown error code needs a person") func unknownCodesNeedAPerson() {
    #expect(KafkaError.natures[12_345] == nil)
    let newer = KafkaError.all.filter { $0.code > 97 }
    #expect(newer.allSatisfy { $0.nature == .needsPerson || KafkaError.natures[$0.code] != nil })
  }

  @Test(
    "well-known errors have the expected nature",
    arguments: [
      ("INVALID_TIMESTAMP", KafkaError.Nature.needsPerson), ("TOPIC_AUTHORIZATION_FAILED", .needsPerson),
      ("POLICY_VIOLATION", .needsPerson), ("INVALID_RECORD", .refusedMessage),
      ("UNSUPPORTED_COMPRESSION_TYPE", .needsPerson), ("_AUTHENTICATION", .needsPerson), ("_SSL", .needsPerson),
      ("MSG_SIZE_TOO_LARGE", .refusedMessage), ("RECORD_LIST_TOO_LARGE", .refusedMessage),
      ("UNKNOWN_TOPIC_OR_PART", .missingTopic), ("_UNKNOWN_TOPIC", .missingTopic),
      ("_UNKNOWN_PARTITION", .missingTopic), ("NOT_ENOUGH_REPLICAS", .temporary), ("_TRANSPORT", .temporary),
      ("KAFKA_STORAGE_ERROR", .temporary), ("NOT_LEADER_FOR_PARTITION", .temporary), ("_PURGE_QUEUE", .handled),
      ("_FATAL", .handled),
    ])
  func knownErrorsHaveTheirNature(name: String, nature: KafkaError.Nature) throws {
    let error = try #require(KafkaError.all.first { $0.name == name })
    #expect(error.nature == nature)
    #expect(error.isRetriable == (nature == .temporary))
  }
}
