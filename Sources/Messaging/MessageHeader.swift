/// A header of a message: a name, which need not be unique within the message, and any bytes.
public struct MessageHeader: Sendable, Equatable {
  /// Kafka expects UTF-8 and accepts any bytes. When a header is read, a NUL ends its name: the library returns nothing
  /// after it.
  public let nameBytes: [UInt8]
  /// Empty if it is null.
  public let value: [UInt8]
  /// Kafka distinguishes a null value from an empty one.
  public let isNull: Bool

  public init(name: String, value: [UInt8]) { self.init(name: name, nullableValue: value) }

  /// nil is Kafka's null.
  public init(name: String, nullableValue: [UInt8]?) {
    self.init(nameBytes: Array(name.utf8), nullableValue: nullableValue)
  }

  public init(nameBytes: [UInt8], nullableValue: [UInt8]?) {
    self.nameBytes = nameBytes
    value = nullableValue ?? []
    isNull = nullableValue == nil
  }

  /// The name as text, with the replacement character for bytes that are not UTF-8.
  public var name: String { String(decoding: nameBytes, as: UTF8.self) }
}
