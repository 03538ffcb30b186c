package import Messaging
import Output
import Wire

/// The message that an object's image came from. It decides which of two versions of an image is the newer one.
package struct ImageOrigin: Sendable, Equatable {
  package let cluster: String
  package let topic: String
  package let generation: Int64
  package let partition: Int32
  package let offset: Int64
  /// The message's time in ms since 1970; 0 if it has none.
  package let time: Int64

  package init(_ message: any Message, cluster: String, generation: Int64) {
    self.cluster = cluster
    topic = message.topic
    self.generation = generation
    partition = message.partition
    offset = message.offset
    time = message.timestamp ?? 0
  }

  /// As metadata have it: `CLUSTER/TOPIC/GENERATION/PARTITION/OFFSET/TIME`.
  var text: String { "\(cluster)/\(topic)/\(generation)/\(partition)/\(offset)/\(time)" }

  init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 6, let generation = Int64(parts[2]), let partition = Int32(parts[3]),
      let offset = Int64(parts[4]), let time = Int64(parts[5])
    else { return nil }
    self.init(
      cluster: String(parts[0]), topic: String(parts[1]), generation: generation, partition: partition, offset: offset,
      time: time)
  }

  /// Another message of the same partition. Its time does not matter.
  func at(_ offset: Int64) -> ImageOrigin {
    ImageOrigin(
      cluster: cluster, topic: topic, generation: generation, partition: partition, offset: offset, time: 0)
  }

  /// The message that a row is about.
  init(_ row: StoredRow, _ source: LogSource) {
    self.init(
      cluster: source.cluster, topic: source.topic, generation: source.generation, partition: source.partition,
      offset: row.offset, time: row.sentTime ?? 0)
  }

  private init(cluster: String, topic: String, generation: Int64, partition: Int32, offset: Int64, time: Int64) {
    (self.cluster, self.topic) = (cluster, topic)
    (self.generation, self.partition, self.offset, self.time) = (generation, partition, offset, time)
  }

  /// Whether both are messages of the same partition, whose offsets order them.
  func isOfPartition(_ other: ImageOrigin) -> Bool {
    cluster == other.cluster && topic == other.topic && generation == other.generation && partition == other.partition
  }

  func isOf(_ source: LogSource) -> Bool {
    cluster == source.cluster && topic == source.topic && generation == source.generation
      && partition == source.partition
  }

  /// Whether this message precedes the other. Between partitions the time decides, and if that is the same, the one
  /// that arrives later replaces the other.
  func isEarlier(than other: ImageOrigin) -> Bool {
    // At the same offset it is a message that the broker lost in a crash.
    if isOfPartition(other) { return offset < other.offset || offset == other.offset && time != other.time }
    if cluster == other.cluster, topic == other.topic, generation != other.generation {
      return generation < other.generation
    }
    return time <= other.time
  }
}
