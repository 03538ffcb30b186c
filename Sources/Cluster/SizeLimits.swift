import Platform
package import Telemetry
import Wire

/// All size limits on the way from client to disk, each compared with what has to pass it. Pure: all inputs are given.
package struct SizeLimits {
  /// The producer's sizes and limits. They are missing if only the consumer's side is checked.
  package struct Sending {
    var segmentBytes: Int
    var format = WireFormat.base64
    var inFlightBytes: Int
    /// librdkafka's `message.max.bytes`, `batch.size` and `queue.buffering.max.kbytes`, all in bytes.
    var messageMaximum: Int
    var batchSize: Int
    var queueBytes: Int
    /// The largest image of the input, and its name.
    var largest: (name: String, bytes: Int)?

    init(
      segmentBytes: Int, format: WireFormat = WireFormat.base64, inFlightBytes: Int, messageMaximum: Int,
      batchSize: Int, queueBytes: Int, largest: (name: String, bytes: Int)? = nil
    ) {
      self.segmentBytes = segmentBytes
      self.format = format
      self.inFlightBytes = inFlightBytes
      self.messageMaximum = messageMaximum
      self.batchSize = batchSize
      self.queueBytes = queueBytes
      self.largest = largest
    }
  }

  /// The consumer's limits. They are missing if only the producer's side is checked.
  package struct Storing {
    /// librdkafka's `fetch.message.max.bytes`, `fetch.max.bytes` and `receive.message.max.bytes`.
    var fetchMessageMaximum: Int
    var fetchMaximum: Int
    var receiveMaximum: Int
    var batchBytes: Int
    /// The free bytes of the output's file system; nil: unknown.
    var free: Int?
  }

  package struct Broker {
    var id: Int32
    var settings: [String: String]

    package init(id: Int32, settings: [String: String]) {
      self.id = id
      self.settings = settings
    }
    func number(_ name: String) -> Int? { settings[name].flatMap { Int($0) } }
  }

  var sending: Sending?
  var storing: Storing?
  var topic: String
  /// The topic's `max.message.bytes` and `retention.bytes`; nil: unknown, or the topic does not exist.
  var topicMaximum: Int?
  var topicRetention: Int?
  var isTopicThere: Bool
  var brokers: [Broker]
  /// The name and `max.message.bytes` of the dead-letter topic.
  var lettersTopic: String
  var lettersMaximum: Int?

  package init(
    sending: Sending? = nil, storing: Storing? = nil, topic: String, topicMaximum: Int? = nil,
    topicRetention: Int? = nil, isTopicThere: Bool, brokers: [Broker], lettersTopic: String, lettersMaximum: Int? = nil
  ) {
    self.sending = sending
    self.storing = storing
    self.topic = topic
    self.topicMaximum = topicMaximum
    self.topicRetention = topicRetention
    self.isTopicThere = isTopicThere
    self.brokers = brokers
    self.lettersTopic = lettersTopic
    self.lettersMaximum = lettersMaximum
  }

  /// The bytes of Kafka's requests and responses in addition to messages, with a margin.
  private static let besideMessages = 10_000
  /// The message size above which single messages determine memory use, in bytes.
  private static let largeMessage = 16 << 20

  package func findings() -> [Finding] {
    (sending.map(producerLimits) ?? []) + topicLimits + brokers.flatMap(brokerLimits) + letterLimits
      + (storing.map(consumerLimits) ?? []) + diskLimits
  }

  /// The largest batch that the producer sends: a message, or several small ones together.
  private func largestBatch(_ sending: Sending) -> Int {
    max(sending.largestMessage, min(sending.batchSize, sending.messageMaximum))
  }

  // MARK: Client

  private func producerLimits(_ sending: Sending) -> [Finding] {
    let message = sending.largestMessage
    var findings = [
      Finding.ok(
        "segment_size",
        "produces messages of up to \(grouped(message)) (\(sending.format == .base64 ? "Base64 adds a third, " : "")plus name and headers)"
      )
      .of("SEGMENT_BYTES", grouped(sending.segmentBytes))
    ]
    let fits = sending.messageMaximum >= message
    findings.append(
      (fits
        ? Finding.ok("client_message_size", "accepts \(grouped(message))")
        : .problem(
          "client_message_size",
          "the client refuses the largest messages, of \(grouped(message))",
          cure:
            "set KAFKA_MESSAGE_MAX_BYTES=\(message), or SEGMENT_BYTES=\(sending.segmentBytes(fitting: sending.messageMaximum))"
        ))
        .of("message.max.bytes of the client", grouped(sending.messageMaximum)))
    findings.append(
      Finding.ok("client_batch_size", "maximum size of a batch of small messages").of(
        "batch.size", grouped(sending.batchSize)))
    findings.append(queue(sending, message))
    findings.append(
      Finding.ok(
        "bytes_in_flight",
        sending.inFlightBytes < message ? "a larger message goes alone" : "maximum bytes in flight"
      ).of("IN_FLIGHT_BYTES", grouped(sending.inFlightBytes)))
    return findings
  }

  private func queue(_ sending: Sending, _ message: Int) -> Finding {
    let name = "queue.buffering.max.kbytes"
    let value = grouped(sending.queueBytes >> 10)
    if sending.queueBytes < message {
      return Finding.problem(
        "client_queue",
        "a message of \(grouped(message)) bytes never fits into the client's queue",
        cure: "set KAFKA_QUEUE_BUFFERING_MAX_KBYTES=65536, or leave it unset"
      ).of(name, value)
    }
    if sending.queueBytes < sending.inFlightBytes {
      return Finding.note(
        "client_queue",
        "less than IN_FLIGHT_BYTES=\(sending.inFlightBytes): this limits the bytes in flight",
        "set KAFKA_QUEUE_BUFFERING_MAX_KBYTES=\((sending.inFlightBytes >> 10) + 1_024), or lower IN_FLIGHT_BYTES"
      ).of(name, value)
    }
    return Finding.ok("client_queue", "holds IN_FLIGHT_BYTES").of(name, value)
  }

  // MARK: Topic and brokers

  private var topicLimits: [Finding] {
    guard isTopicThere else { return [] }
    guard let topicMaximum else {
      return [Finding.ok("topic_message_size", "unknown here").of("max.message.bytes of \(topic)", "?")]
    }
    return [
      passing(
        "topic_message_size", topicMaximum,
        or: "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config max.message.bytes="
      ).of("max.message.bytes of \(topic)", grouped(topicMaximum))
    ]
  }

  /// Whether a limit for batches is large enough.
  /// - Parameter command: the fix without its number, which is appended.
  private func passing(_ check: String, _ limit: Int, or command: String) -> Finding {
    guard let sending else { return .ok(check, "the largest batch that can arrive") }
    let batch = largestBatch(sending)
    guard limit < batch else { return .ok(check, "accepts batches of \(grouped(batch))") }
    let segment = sending.segmentBytes(fitting: limit)
    let smaller = segment < 1_000 ? "" : ", or for the producer: SEGMENT_BYTES=\(segment) KAFKA_BATCH_SIZE=\(limit)"
    return .problem(check, "batches of up to \(grouped(batch)) are refused", cure: command + String(batch) + smaller)
  }

  private func brokerLimits(_ broker: Broker) -> [Finding] {
    var findings: [Finding] = []
    let file = "in broker \(broker.id)'s server.properties (compose: KAFKA_"
    if let limit = broker.number("message.max.bytes") {
      let name = "message.max.bytes of broker \(broker.id)"
      findings.append(
        (isTopicThere
          ? Finding.ok("broker_message_size", "the topic's own limit counts")
          : passing(
            "broker_message_size", limit,
            or: "kafka-configs --alter --entity-type brokers --entity-name \(broker.id) --add-config message.max.bytes="
          )).of(name, grouped(limit)))
    }
    let largest = max(topicMaximum ?? 0, sending.map(largestBatch) ?? 0)
    if let limit = broker.number("replica.fetch.max.bytes") {
      findings.append(
        Finding.ok(
          "broker_copy_size",
          limit < largest ? "larger batches are copied one at a time" : "accepts \(grouped(largest))"
        )
        .of("replica.fetch.max.bytes of broker \(broker.id)", grouped(limit)))
    }
    if let limit = broker.number("socket.request.max.bytes") {
      let needed = (sending.map(largestBatch) ?? 0) + Self.besideMessages
      findings.append(
        (limit < needed
          ? Finding.problem(
            "broker_request_size",
            "requests of up to \(grouped(needed)) bytes end the connection",
            cure:
              "set socket.request.max.bytes=104857600, its default, \(file)SOCKET_REQUEST_MAX_BYTES), and restart it")
          : .ok("broker_request_size", "accepts whole requests")).of(
            "socket.request.max.bytes of broker \(broker.id)", grouped(limit)))
    }
    return findings
  }

  private var letterLimits: [Finding] {
    guard let lettersMaximum, let topicMaximum else { return [] }
    let needed = topicMaximum + DeadLetterTopic.extraBytes
    let finding =
      lettersMaximum < needed
      ? Finding.note(
        "dead_letter_size",
        "dead letters of the largest messages go to disk instead",
        "kafka-configs --alter --entity-type topics --entity-name \(lettersTopic) --add-config max.message.bytes=\(needed)"
      )
      : .ok("dead_letter_size", "accepts the topic's largest message with its reason")
    return [finding.of("max.message.bytes of \(lettersTopic)", grouped(lettersMaximum))]
  }

  // MARK: Consumer and disk

  private func consumerLimits(_ storing: Storing) -> [Finding] {
    var findings = [
      Finding.ok("fetch_message_size", "a larger message arrives alone").of(
        "fetch.message.max.bytes", grouped(storing.fetchMessageMaximum)),
      Finding.ok("fetch_size", "a larger message arrives alone").of("fetch.max.bytes", grouped(storing.fetchMaximum)),
    ]
    let needed = max(topicMaximum ?? 0, storing.fetchMaximum) + 512
    findings.append(
      (storing.receiveMaximum < needed
        ? Finding.problem(
          "receive_size",
          "the topic may have batches of \(grouped(needed - 512)), which would never arrive",
          cure: "set KAFKA_RECEIVE_MESSAGE_MAX_BYTES=\(needed), or leave it unset")
        : .ok("receive_size", "accepts the topic's largest batch")).of(
          "receive.message.max.bytes", grouped(storing.receiveMaximum)))
    findings.append(
      Finding.ok("batch_size", "of messages are in memory; a larger message is stored alone")
        .of("BATCH_BYTES", grouped(storing.batchBytes)))
    if let topicMaximum, topicMaximum > Self.largeMessage {
      findings.append(
        Finding.note(
          "consumer_memory",
          "several whole copies of such a message are in memory",
          "leave room for four of them above the usual 96 MB, or lower the topic's limit: our producer needs 1,000,000"
        ).of("the memory of the consumer", ""))
    }
    return findings
  }

  private var diskLimits: [Finding] {
    var findings: [Finding] = []
    if let sending, let largest = sending.largest {
      let count = max(1, (largest.bytes + sending.segmentBytes - 1) / sending.segmentBytes)
      let name = "the largest image"
      let way = count == 1 ? "is sent in one message" : "is sent in \(grouped(count)) messages"
      let encoded = sending.format.encodedCount(largest.bytes)
      if let topicRetention, topicRetention > 0, encoded > topicRetention {
        findings.append(
          Finding.note(
            "largest_image",
            "\(largest.name) \(way), \(Quantity.bytes(encoded)): more than a partition keeps (retention.bytes="
              + "\(topicRetention)), so a consumer has to read it while it is sent",
            "kafka-configs --alter --entity-type topics --entity-name \(topic) --add-config retention.bytes=\(encoded * 2)"
          ).of(name, grouped(largest.bytes)))
      } else {
        findings.append(Finding.ok("largest_image", "\(largest.name) \(way)").of(name, grouped(largest.bytes)))
      }
    }
    if let storing, let free = storing.free {
      // Its segments are assembled in a separate file, while the file that had its name before still exists.
      let needed = sending?.largest?.bytes ?? 0
      findings.append(
        (free < needed
          ? Finding.problem(
            "output_size",
            "the largest image, of \(grouped(needed)), does not fit",
            cure: "free some space (df -h), or set another PROCESSED_IMAGES_DIR")
          : .ok("output_size", needed == 0 ? "free for images" : "has room for the largest image")).of(
            "the disk of the output", grouped(free)))
    }
    return findings
  }

  private func grouped(_ number: Int) -> String { Quantity.grouped(number) }
}
