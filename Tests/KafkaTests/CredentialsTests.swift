import Synchronization
import Testing

@testable import Kafka

/// Passwords in files, which may change.
@Suite struct CredentialsTests {
  private final class Files: Sendable {
    let content = Mutex(["sasl.password": "old"])
    func set(_ password: String?) { content.withLock { $0["sasl.password"] = password } }
  }
  private let files = Files()

  private func settings() -> KafkaSettings {
    var settings = KafkaSettings()
    settings.set("bootstrap.servers", "127.0.0.1:1")
    settings.set("security.protocol", "SASL_PLAINTEXT")
    settings.set("sasl.mechanism", "PLAIN")
    settings.set("sasl.username", "camera")
    settings.set("sasl.password", "old")
    settings.reread = { [files] property in files.content.withLock { $0[property] } }
    return settings
  }

  @Test("a refused password is read again, and is news only if it has changed") func refusedPasswordIsReadAgain() throws
  {
    let handle = try #require(KafkaProducer(settings()) { _ in }.openHandle)
    let credentials = try #require(Credentials(settings()))
    #expect(!credentials.renew(handle.client), "the same as before")
    files.set("new")
    #expect(credentials.renew(handle.client))
    #expect(!credentials.renew(handle.client))
  }

  @Test("a password file that cannot be read changes nothing") func missingFileChangesNothing() throws {
    let handle = try #require(KafkaProducer(settings()) { _ in }.openHandle)
    let credentials = try #require(Credentials(settings()))
    files.set(nil)
    #expect(!credentials.renew(handle.client))
  }

  @Test("without password files there is nothing to read again") func noFilesMeanNoCredentials() {
    var own = settings()
    own.reread = nil
    #expect(Credentials(own) == nil)
  }
}
