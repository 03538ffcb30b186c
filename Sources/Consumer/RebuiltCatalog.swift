import Cluster
import Kafka
import Output
import Platform
import Telemetry
import Wire

/// Binds a catalog that `repair` rebuilt, or whose topic is read again, to the topic that its rows came from.
///
/// The rows name no cluster, and the topic may have been re-created since. So the last known message of each partition
/// is read again. If it is still the same message, the partition's older versions of images are known to have their
/// rows.
enum RebuiltCatalog {
  /// Returns false if `stop` was set first.
  static func bind(
    _ catalog: Catalog, _ topic: Catalog.Topic, _ name: String, _ rereader: Rereader, _ connection: BrokerConnection,
    _ stop: StopFlag
  ) throws -> Bool {
    for past in try catalog.unboundPast(name) {
      let isAnswered = try connection.untilAnswered(stop) {
        let found = try rereader.read(topic: name, partition: past.partition, offset: past.last.offset)
        if found?.mark == past.last {
          try catalog.bindPast(name, partition: past.partition, to: topic)
        } else {
          try catalog.bindPast(name, partition: past.partition, to: nil)
          try say(past, isGone: found == nil, name, connection)
        }
        return true
      }
      guard isAnswered == true else { return false }
    }
    return true
  }

  private static func say(
    _ past: Catalog.PastPartition, isGone: Bool, _ topic: String, _ connection: BrokerConnection
  ) throws {
    connection.log.warning(
      event: "last_message_missing",
      "the topic no longer has the last message that was stored: it was re-created, or that message was removed. "
        + "Older versions of images that it still has are stored again before the newer ones, each with a row",
      ["topic": .string(topic), "partition": .of(past.partition), "offset": .of(past.last.offset)])
    guard isGone, let count = try connection.client.partitionCount(of: topic, timeout: .seconds(5)),
      past.partition < count
    else { return }
    let first = try connection.client.watermarks(of: topic, partition: past.partition, timeout: .seconds(5)).low
    guard first > past.last.offset + 1 else { return }
    connection.log.error(
      event: "messages_maybe_lost",
      "\(Quantity.count(Int(first - past.last.offset - 1), "message")) may have been removed from the topic before being stored",
      [
        "messages": .of(first - past.last.offset - 1), "partition": .of(past.partition),
        "from": .of(past.last.offset + 1), "to": .of(first - 1),
        "fix": "run image-pipeline verify --resend on the machine that sent the images",
      ])
  }
}
