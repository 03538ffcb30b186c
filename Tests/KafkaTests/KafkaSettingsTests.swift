import TestSupport
import Testing

@testable import Kafka

@Suite(.ownThread) struct KafkaSettingsTests {
  @Test("known, unknown and invalid properties are told apart") func propertiesAreChecked() {
    #expect(KafkaSettings.check("linger.ms", "5") == .known)
    #expect(KafkaSettings.check("no.such.property", "5") == .unknown)
    guard case .invalid(let reason) = KafkaSettings.check("linger.ms", "soon") else {
      Issue.record("a word is no number of milliseconds")
      return
    }
    // The library may use another name of it there.
    #expect(reason.contains("Invalid value"))
    guard case .invalid = KafkaSettings.check("acks", "9999999") else {
      Issue.record("out of its range")
      return
    }
    // Java's property is recognized, so that the library can name its replacement.
    #expect(KafkaSettings.check("sasl.jaas.config", "x") != .known)
  }

  @Test("the last value wins, and defaults yield") func lastValueWins() {
    var settings = KafkaSettings()
    settings.set("linger.ms", "1")
    settings.set("linger.ms", "2")
    settings.setDefault("linger.ms", "3")
    settings.setDefault("acks", "all")
    #expect(settings.values == ["linger.ms": "2", "acks": "all"])
  }

  @Test("an unset property has the library's value") func unsetPropertyHasDefault() {
    var settings = KafkaSettings()
    settings.set("linger.ms", "7")
    settings.set("max.partition.fetch.bytes", "12345")
    #expect(settings.effective("linger.ms") == "7" && settings.effective("queue.buffering.max.ms") == "7")
    #expect(settings.effective("fetch.message.max.bytes") == "12345", "the same by another name")
    #expect(settings.effective("message.max.bytes") == "1000000")
    #expect(settings.effective("no.such.property") == nil)
    settings.set("compression.typo", "x")
    #expect(settings.effective("linger.ms") == nil)
  }

  @Test("a refused setting is named without its value") func refusedSettingHidesValue() throws {
    var settings = KafkaSettings()
    settings.set("compression.typo", "secret")
    let error = #expect(throws: KafkaError.self) { try KafkaProducer(settings) { _ in } }
    #expect(error?.context == "Kafka setting compression.typo")
    #expect(error?.description.contains("secret") == false)
  }

  @Test("contradictions are reported when a client is created") func contradictionsShowAtCreation() {
    var settings = KafkaSettings()
    settings.set("enable.idempotence", "true")
    settings.set("max.in.flight", "6")
    let error = #expect(throws: KafkaError.self) { try KafkaProducer(settings) { _ in } }
    #expect(error?.reason.contains("max.in.flight") == true)
  }

  @Test("a consumer needs a group") func consumerNeedsAGroup() {
    let error = #expect(throws: KafkaError.self) { try KafkaConsumer(KafkaSettings(), topic: "images") }
    #expect(error?.context == "Kafka setting group.id")
  }

  @Test("properties of the other kind of client are not logged") func otherKindIsNotLogged() throws {
    let lines = Inbox<String>()
    var settings = KafkaSettings()
    settings.set("group.id", "quiet")
    settings.set("linger.ms", "5")
    settings.onLog = { _, facility, _ in lines.put(facility) }
    let consumer = try KafkaConsumer(settings, topic: "images")
    consumer.unsubscribeAndClose()
    #expect(!lines.all.contains("CONFWARN"))
  }

  @Test("the library's version has three numbers") func versionHasThreeNumbers() {
    #expect(KafkaSettings.version.split(separator: ".").count >= 3)
  }
}
