/// The beginning of a dead letter's message, for people. It is bounded, whatever the message.
package struct LetterExcerpt: Sendable {
  /// The beginning of some bytes, and how many there are.
  package struct Part: Sendable {
    package let beginning: [UInt8]
    package let count: Int

    init(_ bytes: some Collection<UInt8>, atMost most: Int) {
      (beginning, count) = (Array(bytes.prefix(most)), bytes.count)
    }
  }

  package struct Header: Sendable {
    package let name: Part
    /// nil is Kafka's null.
    package let value: Part?
  }

  /// nil is Kafka's null.
  package let key: Part?
  package let value: Part?
  package private(set) var headers: [Header] = []
  /// Whether there are more headers than `headers` has.
  package private(set) var areMoreHeaders = false

  package static let mostOfValue = 4_096
  private static let mostOfKey = 1_024
  private static let mostOfHeader = 1_024
  private static let mostOfName = 256
  /// For the names and values of all headers.
  private static let mostOfHeaders = 8_192
  private static let mostHeaders = 64

  init(_ record: LetterRecord) {
    key = record.key.map { Part($0, atMost: Self.mostOfKey) }
    value = record.value.map { Part($0, atMost: Self.mostOfValue) }
    var rest = Self.mostOfHeaders
    for header in record.headers {
      guard headers.count < Self.mostHeaders, rest > 0 else {
        areMoreHeaders = true
        break
      }
      let name = Part(header.nameBytes, atMost: min(rest, Self.mostOfName))
      rest -= name.beginning.count
      let value = header.isNull ? nil : Part(header.value, atMost: min(rest, Self.mostOfHeader))
      rest -= value?.beginning.count ?? 0
      headers.append(Header(name: name, value: value))
    }
  }
}
