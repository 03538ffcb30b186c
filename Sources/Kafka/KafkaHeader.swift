import Crdkafka

/// A message's header: a name, which need not be unique within the message, and any bytes.
public struct KafkaHeader: Sendable, Equatable {
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

extension [KafkaHeader] {
  /// The library's list of them, which the caller owns; nil for none.
  func makeNative() -> OpaquePointer? {
    guard !isEmpty, let list = rd_kafka_headers_new(count) else { return nil }
    for header in self {
      header.nameBytes.withUnsafeBytes { name in
        header.value.withUnsafeBytes { value in
          // A size of 0 means none, not "up to the NUL"; without an address any will do.
          crdkafka_add_header(
            list, name.assumingMemoryBound(to: CChar.self).baseAddress ?? emptyName, name.count, value.baseAddress,
            value.count, header.isNull ? 1 : 0)
        }
      }
    }
    return list
  }
}

nonisolated(unsafe) private let emptyName: UnsafePointer<CChar> = {
  let memory = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
  memory.initialize(to: 0)
  return UnsafePointer(memory)
}()
