/// A message of a topic, whatever its source.
///
/// Its bytes are valid as long as the message exists.
public protocol Message: AnyObject, Sendable {
  var topic: String { get }
  var partition: Int32 { get }
  var offset: Int64 { get }
  /// Milliseconds since 1970, by the clock of the producer or the broker, depending on the topic; nil if the message
  /// has none.
  var timestamp: Int64? { get }
  /// The total bytes of the key, the value, and the names and values of the headers.
  var size: Int { get }
  /// Nil is Kafka's null, which is not an empty key.
  var key: UnsafeRawBufferPointer? { get }
  /// Nil is Kafka's null (a tombstone of a compacted topic), which is not an empty value.
  var value: UnsafeRawBufferPointer? { get }

  /// The value of the last header with that name; nil if there is none, empty if it is null.
  func header(_ name: String) -> UnsafeRawBufferPointer?
  /// All headers, in the order of the message.
  func headers() -> [MessageHeader]

  /// Releases the value and the headers, which take up nearly all of its memory. No other thread may be using the
  /// message. Its value and its headers must not be read any more.
  func releaseContent()
  /// Whether the value and the headers have been released.
  var isReleased: Bool { get }
}
