/// A message's header: a name, which need not be unique within the message, and any bytes.
public struct MessageHeader: Sendable, Equatable {
  /// Kafka wants UTF-8 and takes any bytes. A NUL ends a name that is read: the library tells no more of it.
  public let nameBytes: [UInt8]
  /// Empty where it is null.
  public let value: [UInt8]
  /// Kafka tells a null value from an empty one.
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

  /// With the replacement character where the bytes are no UTF-8.
  public var name: String { String(decoding: nameBytes, as: UTF8.self) }
}
