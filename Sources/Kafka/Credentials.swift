import Crdkafka
import Synchronization

/// User and password for SASL, read again from their files after a broker has refused them: secrets are rotated under running
/// programs.
final class Credentials: Sendable {
  private let reread: @Sendable (String) -> String?
  private let current: Mutex<Pair>

  private struct Pair: Equatable {
    var user: String
    var password: String
  }

  /// nil if none of them came from a file.
  init?(_ settings: KafkaSettings) {
    guard let reread = settings.reread, let user = settings.values["sasl.username"],
      let password = settings.values["sasl.password"]
    else { return nil }
    self.reread = reread
    current = Mutex(Pair(user: user, password: password))
  }

  /// To be called when a broker has refused them. The library takes the new ones with its next connection.
  /// - Returns: true if they are others than before.
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
