import Kafka
import Platform
package import Telemetry
import Wire

/// A dead letter as it is listed for people: the fields of one line.
package struct DeadLetterEntry: Sendable {
  package let fields: [(String, LogValue)]
  package let isReplayed: Bool
  /// The image's name, if it can be read.
  package let image: String?
  /// Where its message was; nil if it is not known.
  package let origin: (topic: String, partition: Int32, offset: Int64)?
  /// What kind of fault it is; nil if it is not known.
  package let kind: String?

  init(_ record: LetterRecord, at place: String, time: String, hindrance: String?, isReplayed: Bool) {
    self.isReplayed = isReplayed
    image = record.imageName
    origin = record.origin.map { ($0.topic, $0.partition, $0.offset) }
    kind = record.error("exception.class.name")
    var fields: [(String, LogValue)] = [("time", .string(time))]
    if let origin = record.origin {
      fields += [
        ("topic", .string(origin.topic)), ("partition", .of(origin.partition)), ("offset", .of(origin.offset)),
      ]
    }
    if let name = image {
      fields.append(("image", .string(name)))
    } else if let key = record.key {
      fields.append(("key", .string(String(validating: key, as: UTF8.self) ?? LetterFile.encoded(key))))
    }
    fields.append(("bytes", .of(record.value?.count ?? 0)))
    for (name, header) in [
      ("stage", "stage"), ("kind", "exception.class.name"), ("reason", "exception.message"),
    ] { if let text = record.error(header) { fields.append((name, .string(text))) } }
    fields.append(("letter", .string(place)))
    if let hindrance { fields.append(("stays", .string(hindrance))) }
    if isReplayed { fields.append(("replayed", .of(true))) }
    self.fields = fields
  }

  init(unreadable reason: String, at path: String) {
    (isReplayed, image, origin, kind) = (false, nil, nil, nil)
    fields = [("letter", .string(path)), ("stays", .string(reason))]
  }
}

extension LetterRecord {
  /// The image's name; nil if it cannot be read.
  fileprivate var imageName: String? {
    try? ImageContent(value: value, key: key) { name in
      headers.last { $0.nameBytes.elementsEqual(name.utf8) }?.value
    }.name
  }
}
