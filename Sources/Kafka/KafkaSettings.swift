import Crdkafka

/// librdkafka's configuration properties (`bootstrap.servers`, `linger.ms`, ...), still as text.
///
/// A value is checked when a client is created with it, or earlier with ``check(_:_:)``.
package struct KafkaSettings: Sendable {
  /// Property to value, as set so far.
  package private(set) var values: [String: String] = [:]

  /// Receives the library's log lines, its errors that concern no message, and its statistics. It is called on the
  /// library's threads, several at a time, so it must not block. It is never called after the client's `close`. nil
  /// discards everything.
  ///
  /// - level: as in syslog, 0 (emergency) to 7 (debug). facility: the library's short mark, `FAIL`, `ERROR`, `FATAL`,
  ///   `STATS`.
  package var onLog: (@Sendable (_ level: Int, _ facility: String, _ message: String) -> Void)?

  /// Reads a property again that came from a file, for example a password; returns nil if it cannot be read. Called
  /// when a broker refuses the current one, because secrets are rotated in their files.
  package var reread: (@Sendable (_ property: String) -> String?)?

  /// Empty: the library's defaults.
  package init() {}

  /// Sets a property; the last value wins.
  package mutating func set(_ property: String, _ value: String) {
    values[property] = value
  }

  /// Sets a property that has not been set yet.
  package mutating func setDefault(_ property: String, _ value: String) {
    if values[property] == nil { values[property] = value }
  }

  /// The library's verdict on a property and its value.
  package enum Verdict: Sendable, Equatable {
    case known
    /// The library has no such property.
    case unknown
    /// The property exists, but does not allow this value; the text is the library's reason.
    case invalid(String)
  }

  /// Asks the library, without creating a client. Contradictions between properties are found only when a client is
  /// created.
  package static func check(_ property: String, _ value: String) -> Verdict {
    guard let configuration = rd_kafka_conf_new() else { return .invalid("out of memory") }
    defer { rd_kafka_conf_destroy(configuration) }
    return set(property, value, on: configuration)
  }

  /// The version of the loaded librdkafka: `2.0.2`.
  package static var version: String { String(cString: rd_kafka_version_str()) }

  /// The value of a client property with these settings, or the library's default if it is not set; nil if the library
  /// has no such property or refuses one of the others.
  package func effective(_ property: String) -> String? {
    guard let configuration = try? makeConfiguration() else { return nil }
    defer { rd_kafka_conf_destroy(configuration) }
    var size = 0
    guard rd_kafka_conf_get(configuration, property, nil, &size) == RD_KAFKA_CONF_OK else { return nil }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: size + 1) { buffer in
      buffer.initialize(repeating: 0)
      guard rd_kafka_conf_get(configuration, property, buffer.baseAddress, &size) == RD_KAFKA_CONF_OK else {
        return nil
      }
      return String(cString: buffer.baseAddress!)
    }
  }

  /// The settings without these properties.
  func without(_ properties: String...) -> KafkaSettings {
    var settings = self
    for property in properties { settings.values[property] = nil }
    return settings
  }

  /// A configuration for the library; the caller owns it.
  func makeConfiguration() throws(KafkaError) -> OpaquePointer {
    guard let configuration = rd_kafka_conf_new() else {
      throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "Kafka settings", reason: "out of memory")
    }
    // Sorted, so that with two mistakes the same one is always reported.
    for (property, value) in values.sorted(by: { $0.key < $1.key }) {
      let reason: String
      switch Self.set(property, value, on: configuration) {
      case .known: continue
      case .unknown: reason = "librdkafka \(Self.version) has no such property"
      case .invalid(let why): reason = why
      }
      rd_kafka_conf_destroy(configuration)
      // The value may be a secret, so only the property is named.
      throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "Kafka setting \(property)", reason: reason)
    }
    return configuration
  }

  private static func set(_ property: String, _ value: String, on configuration: OpaquePointer) -> Verdict {
    let (result, reason) = withReasonBuffer { buffer, size in
      rd_kafka_conf_set(configuration, property, value, buffer, size)
    }
    switch result {
    case RD_KAFKA_CONF_OK: return .known
    case RD_KAFKA_CONF_UNKNOWN: return .unknown
    default: return .invalid(reason)
    }
  }
}

extension KafkaSettings {
  /// The settings that every reader here relies on.
  func forReading() -> KafkaSettings {
    var settings = self
    settings.set("enable.auto.commit", "false")
    settings.set("enable.auto.offset.store", "false")
    settings.set("auto.offset.reset", "error")
    settings.set("enable.partition.eof", "true")
    return settings
  }
}

/// Provides a buffer for the text that many of the library's calls return.
func withReasonBuffer<Result>(
  _ body: (UnsafeMutablePointer<CChar>, Int) -> Result
) -> (result: Result, reason: String) {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
    buffer.initialize(repeating: 0)
    let result = body(buffer.baseAddress!, buffer.count)
    return (result, String(cString: buffer.baseAddress!))
  }
}
