import Messaging
import Output
import Wire

extension DeadLetter {
  var origin: MessageOrigin { message.origin }

  /// The dead letter as it is sent, or written to disk.
  var record: LetterRecord {
    LetterRecord(key: message.key, value: message.value, headers: headers, owner: message)
  }

  /// The message's own headers, followed by error headers. These have Kafka Connect's names for the sake of its tools.
  var headers: [MessageHeader] {
    var added = [
      ("topic", message.topic), ("partition", String(message.partition)), ("offset", String(message.offset)),
      ("connector.name", "image-pipeline"), ("task.id", "0"), ("stage", reason.stage.rawValue),
      ("class.name", "image-pipeline"), ("exception.class.name", reason.kind),
      ("exception.message", reason.description),
    ]
    // Not one of Kafka Connect's. A re-created topic has the same offsets again, and only the time differs.
    if let time = message.timestamp { added.append(("timestamp", String(time))) }
    return message.headers() + added.map { MessageHeader(name: LetterRecord.prefix + $0.0, value: Array($0.1.utf8)) }
  }
}
