import Crdkafka
import Synchronization

/// User and password for SASL. They are read from their files again after a broker has refused them, because secrets
/// are rotated while programs run.
final class Credentials: Sendable {
  private let reread: @Sendable (String) -> String?
  private let current: Mutex<Pair>

  private struct Pair: Equatable {
    var user: String
    var password: String
  }

  /// nil if neither of them comes from a file.
  init?(_ settings: KafkaSettings) {
    guard let reread = settings.reread, let user = settings.values["sasl.username"],
      let password = settings.values["sasl.password"]
    else { return nil }
    self.reread = reread
    current = Mutex(Pair(user: user, password: password))
  }

  /// Reads the credentials again. Call it after a broker has refused them. The library uses the new ones for its next
  /// connection.
  /// - Returns: true if they have changed and the library has accepted them.
  func renew(_ client: OpaquePointer) -> Bool {
    current.withLock { current in
      let found = Pair(
        user: reread("sasl.username") ?? current.user, password: reread("sasl.password") ?? current.password)
      guard found != current else { return false }
      if let error = rd_kafka_sasl_set_credentials(client, found.user, found.password) {
        rd_kafka_error_destroy(error)
        return false
      }
      current = found
      return true
    }
  }
}
