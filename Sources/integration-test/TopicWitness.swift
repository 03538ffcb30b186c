import FoundationEssentials
import Kafka
import Platform

/// Reads the topic as any Kafka client could, with an ordinary JSON and Base64 decoder. It does not rely on what the
/// pipeline reports.
struct TopicWitness {
  /// A version of an image, as the topic has it.
  struct Sighting: Hashable {
    let name: String
    let digest: String
  }

  private struct Value: Decodable {
    let name: String
    let content: Data

    enum CodingKeys: String, CodingKey {
      case name = "image_name"
      case content = "image_content"
    }
  }

  private(set) var sightings: Set<Sighting> = []
  /// The key of each message, by its position: `partition/offset`.
  private(set) var keys: [String: String] = [:]
  private(set) var messages = 0
  private(set) var segments = 0
  private(set) var faults: [String] = []

  /// - Parameter starts: the offset to begin at, for each partition.
  init(_ settings: Settings, from starts: [Int32: Int64]) throws {
    for (partition, start) in starts.sorted(by: { $0.key < $1.key }) {
      let scan = try PartitionScan(
        settings.kafka, topic: settings.topic, partition: partition, timeout: .seconds(30))
      var parts: [String: [Int: Data]] = [:]
      while let message = try scan.next(timeout: .seconds(30)) {
        if message.offset >= start { try look(at: message, &parts) }
      }
    }
  }

  private mutating func look(at message: KafkaMessage, _ parts: inout [String: [Int: Data]]) throws {
    messages += 1
    let place = "\(message.partition)/\(message.offset)"
    guard let value = message.value, let decoded = try? JSONDecoder().decode(Value.self, from: Data(value)) else {
      faults.append("the message at \(place) is not JSON with image_name and Base64 in image_content")
      return
    }
    let key = message.key.map { String(decoding: $0, as: UTF8.self) }
    keys[place] = key
    if key.map({ $0.utf8.elementsEqual(decoded.name.utf8) }) != true {
      faults.append("the message at \(place) has the key \(key ?? "null") and the image_name \(decoded.name)")
    }
    func header(_ name: String) -> String? { message.header(name).map { String(decoding: $0, as: UTF8.self) } }
    let digest: String
    if let id = header("segment-id"), let index = header("segment-index").flatMap(Int.init),
      let count = header("segment-count").flatMap(Int.init)
    {
      segments += 1
      parts[id, default: [:]][index] = decoded.content
      guard let all = parts[id], all.count == count else { return }
      var hash = SHA256()
      for index in 0..<count { all[index]?.withUnsafeBytes { hash.update($0) } }
      digest = hash.finish().hex
      parts[id] = nil
    } else {
      digest = decoded.content.withUnsafeBytes { SHA256.hash($0) }.hex
    }
    if header("image-sha256") != digest {
      faults.append(
        "the image at \(place) has the hash \(digest), its header says \(header("image-sha256") ?? "nothing")")
    }
    sightings.insert(Sighting(name: decoded.name, digest: digest))
  }

  // MARK: End offsets and the group's lag

  static func ends(_ settings: Settings) throws -> [Int32: Int64] {
    let client = try KafkaConsumer(settings.kafka, topic: settings.topic)
    defer { client.unsubscribeAndClose() }
    guard let count = try client.partitionCount(of: settings.topic, timeout: .seconds(30)) else { return [:] }
    var ends: [Int32: Int64] = [:]
    for partition in 0..<Int32(count) {
      ends[partition] = try client.watermarks(of: settings.topic, partition: partition, timeout: .seconds(30))
        .high
    }
    return ends
  }

  /// Messages that the consumers' group has not committed.
  static func lag(_ settings: Settings) throws -> Int64 {
    let ends = try ends(settings)
    let client = try KafkaConsumer(settings.kafka, topic: settings.topic)
    defer { client.unsubscribeAndClose() }
    let committed = try client.committed(partitions: Array(ends.keys), timeout: .seconds(30))
    return ends.reduce(0) { $0 + max(0, $1.value - (committed[$1.key] ?? 0)) }
  }
}
