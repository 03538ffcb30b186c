import Kafka
import Platform
package import Telemetry
import Wire

/// A dead letter as it is listed for people: the fields of one line.
package struct DeadLetterEntry: Sendable {
  package let fields: [(String, LogValue)]
  package let isReplayed: Bool

  init(_ record: LetterRecord, at place: String, time: String, hindrance: String?, isReplayed: Bool) {
    self.isReplayed = isReplayed
    var fields: [(String, LogValue)] = [("time", .string(time))]
    if let origin = record.origin {
      fields += [
        ("topic", .string(origin.topic)), ("partition", .of(origin.partition)), ("offset", .of(origin.offset)),
      ]
    }
    if let name = record.imageName {
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
    isReplayed = false
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
