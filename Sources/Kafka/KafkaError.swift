import Crdkafka
package import Platform

/// An error of Kafka: what failed, on what, and why.
package struct KafkaError: NamedError, ClassifiedError, CustomStringConvertible, Sendable, Equatable {
  /// librdkafka's `rd_kafka_resp_err_t`: negative for the client's own errors, positive for a broker's.
  let code: Int32
  /// The code's name without its prefix: `_TIMED_OUT`, `TOPIC_AUTHORIZATION_FAILED`.
  package let name: String
  /// The message of the library or the broker.
  package let reason: String
  /// The object of the error: `topic images, partition 0, offset 12`.
  package let context: String
  /// The client cannot continue: it has to be closed and re-created.
  package let isFatal: Bool
  package let disposition: Disposition
  /// The right to grant, if the broker's authorizer refused the request.
  package let missingRight: MissingRight?

  /// `topic images, partition 0: Broker: Message size too large (MSG_SIZE_TOO_LARGE)`
  package var description: String {
    (context.isEmpty ? "" : context + ": ") + reason + " (" + name + ")" + (isFatal ? ", fatal" : "")
      + (missingRight.map { ": \($0)" } ?? "")
  }

  /// - Parameters:
  ///   - reason: nil or empty for the library's text for that code.
  ///   - isRetriable: whether the library calls it transient. It marks only the errors of its newer calls.
  ///   - missingRight: nil if the code is about something else.
  init(
    _ code: rd_kafka_resp_err_t, _ context: String, reason: String? = nil, isFatal: Bool = false,
    isRetriable: Bool = false, missingRight: MissingRight? = nil
  ) {
    self.code = code.rawValue
    name = String(cString: rd_kafka_err2name(code))
    self.reason = reason.flatMap { $0.isEmpty ? nil : $0 } ?? String(cString: rd_kafka_err2str(code))
    self.context = context
    self.isFatal = isFatal
    self.missingRight = missingRight
    disposition = isFatal ? .final : isRetriable ? .transient : Self.dispositions[code.rawValue] ?? .needsPerson
  }

  /// Takes over and frees the library's error object.
  init(consuming error: OpaquePointer, _ context: String) {
    self.init(
      rd_kafka_error_code(error), context, reason: String(cString: rd_kafka_error_string(error)),
      isFatal: rd_kafka_error_is_fatal(error) != 0, isRetriable: rd_kafka_error_is_retriable(error) != 0)
    rd_kafka_error_destroy(error)
  }

  static func unproven(_ context: String) -> KafkaError {
    KafkaError(
      RD_KAFKA_RESP_ERR__INCONSISTENT, context,
      reason: "the broker has acknowledged a later message and not this one, which it may not have")
  }

  static func closed(_ context: String) -> KafkaError {
    KafkaError(RD_KAFKA_RESP_ERR__DESTROY, context, reason: "the Kafka client is closed")
  }
}

/// Describes a topic, partition and offset in the same words for every error.
package func place(_ topic: String, _ partition: Int32? = nil, _ offset: Int64? = nil) -> String {
  var text = "topic " + topic
  if let partition, partition >= 0 { text += ", partition \(partition)" }
  // Negative offsets are the library's marks (beginning, end, invalid), not positions.
  if let offset, offset >= 0 { text += ", offset \(offset)" }
  return text
}
