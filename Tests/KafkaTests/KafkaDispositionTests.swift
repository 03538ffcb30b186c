import Platform
import TestSupport
import Testing

@testable import Kafka

/// The table that decides how each error of the library is handled.
@Suite struct KafkaDispositionTests {
  @Test("every error code has a disposition") func everyCodeHasADisposition() {
    let all = KafkaError.all
    #expect(all.count > 150, "\(all.count)")
    let unknown = all.filter { KafkaError.dispositions[$0.code] == nil && $0.code <= 97 }
    #expect(unknown.isEmpty, "\(unknown.map(\.name))")
  }

  @Test("no error code has two dispositions") func noCodeHasTwoDispositions() {
    let codes = KafkaError.table.flatMap(\.codes)
    let duplicates = Dictionary(grouping: codes) { $0 }.filter { $0.value.count > 1 }.keys
    #expect(duplicates.isEmpty, "\(duplicates)")
  }

  @Test("an unknown error code needs a person") func unknownCodesNeedAPerson() {
    #expect(KafkaError(.init(rawValue: 12_345), "").disposition == .needsPerson)
    let newer = KafkaError.all.filter { $0.code > 97 }
    #expect(newer.allSatisfy { $0.disposition == .needsPerson || KafkaError.dispositions[$0.code] != nil })
  }

  @Test(
    "well-known errors have the expected disposition",
    arguments: [
      ("INVALID_TIMESTAMP", Disposition.needsPerson), ("TOPIC_AUTHORIZATION_FAILED", .needsPerson),
      ("POLICY_VIOLATION", .needsPerson), ("INVALID_RECORD", .badInput),
      ("UNSUPPORTED_COMPRESSION_TYPE", .needsPerson), ("_AUTHENTICATION", .needsPerson), ("_SSL", .needsPerson),
      ("MSG_SIZE_TOO_LARGE", .badInput), ("RECORD_LIST_TOO_LARGE", .badInput),
      ("UNKNOWN_TOPIC_OR_PART", .needsPerson), ("_UNKNOWN_TOPIC", .needsPerson),
      ("_UNKNOWN_PARTITION", .needsPerson), ("NOT_ENOUGH_REPLICAS", .transient), ("_TRANSPORT", .transient),
      ("KAFKA_STORAGE_ERROR", .transient), ("NOT_LEADER_FOR_PARTITION", .transient), ("_PURGE_QUEUE", .final),
      ("_FATAL", .final),
    ])
  func knownErrorsHaveTheirDisposition(name: String, disposition: Disposition) throws {
    let error = try #require(KafkaError.all.first { $0.name == name })
    #expect(error.disposition == disposition)
    #expect(error.isTopicMissing == name.contains("UNKNOWN"))
  }

  @Test("an error that is fatal to the client is final, and one that the library calls retriable is transient")
  func libraryMarksDecide() {
    // _TRANSPORT and _STATE.
    #expect(KafkaError(.init(rawValue: -195), "", isFatal: true).disposition == .final)
    #expect(KafkaError(.init(rawValue: -172), "", isRetriable: true).disposition == .transient)
    #expect(KafkaError.unproven("").disposition == .transient && KafkaError.closed("").disposition == .final)
  }

  @Test("an unknown id of a topic means that the topic is missing") func unknownTopicIDIsAMissingTopic() {
    let error = KafkaError(.init(rawValue: 100), "")
    #expect(error.disposition == .needsPerson && error.isTopicMissing && !error.isUnknownTopic)
  }
}
