import Crdkafka

/// A message's header: a name, which need not be unique within the message, and any bytes.
public struct KafkaHeader: Sendable, Equatable {
  public let name: String
  /// Empty where it is null.
  public let value: [UInt8]
  /// Kafka tells a null value from an empty one.
  public let isNull: Bool

  public init(name: String, value: [UInt8]) {
    self.name = name
    self.value = value
    isNull = false
  }

  /// As ``KafkaMessage/headers()`` tells it: nil is Kafka's null.
  public init(name: String, nullableValue: [UInt8]?) {
    self.name = name
    value = nullableValue ?? []
    isNull = nullableValue == nil
  }
}

extension [KafkaHeader] {
  /// The library's list of them, which the caller owns; nil for none.
  func makeNative() -> OpaquePointer? {
    guard !isEmpty, let list = rd_kafka_headers_new(count) else { return nil }
    for header in self {
      var name = header.name
      name.withUTF8 { name in
        header.value.withUnsafeBytes { value in
          name.withMemoryRebound(to: CChar.self) {
            // A size of 0 means none, not "up to the NUL"; without an address any will do.
            crdkafka_add_header(
              list, $0.baseAddress ?? emptyName, name.count, value.baseAddress, value.count, header.isNull ? 1 : 0)
          }
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
