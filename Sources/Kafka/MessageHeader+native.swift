import Crdkafka
import Messaging

extension [MessageHeader] {
  /// The headers as the library's list, which the caller owns; nil if there are none.
  func makeNative() -> OpaquePointer? {
    guard !isEmpty, let list = rd_kafka_headers_new(count) else { return nil }
    for header in self {
      header.nameBytes.withUnsafeBytes { name in
        header.value.withUnsafeBytes { value in
          // For the library, a size of 0 means none, not "up to the NUL". Any non-nil pointer will do then.
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
