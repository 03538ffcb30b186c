package import Configuration
import Output
package import Wire

/// The keys of an output in a bucket:
///
/// ```
/// prefix/cat/001.jpg                                            an image
/// prefix/.image-pipeline/output                                 the output's identity
/// prefix/.image-pipeline/CLUSTER/TOPIC/GENERATION/begin         a generation of a topic after the first
/// prefix/.image-pipeline/CLUSTER/TOPIC/GENERATION/PARTITION/    the log of a partition
///   00000000000000000000.csv                                    a batch: its rows, and as metadata its end
///   checkpoint                                                  how far all receipts are sent
///   notes/00000000000000000000-BATCH.json                       what a batch has besides rows
/// ```
package struct BucketLayout: Sendable {
  package let address: BucketAddress

  package init(_ address: BucketAddress) { self.address = address }

  var reserved: String { address.keyStart + ImageName.reserved + "/" }

  package func image(_ name: ImageName) -> String { image(name.value) }
  func image(_ name: String) -> String { address.keyStart + name }

  /// The name of an image; nil if the key is not one of an image of this output.
  func name(ofKey key: String) -> String? {
    guard key.utf8.starts(with: address.keyStart.utf8), !key.utf8.starts(with: reserved.utf8) else { return nil }
    return String(key.utf8.dropFirst(address.keyStart.utf8.count))
  }

  /// The name of the image that a row is about.
  func name(of row: StoredRow) -> String {
    String(decoding: row.filePath.utf8.dropFirst(address.description.utf8.count + 1), as: UTF8.self)
  }

  var identity: String { reserved + "output" }

  /// An object that is removed after it was tried.
  func probe(_ name: String) -> String { reserved + "probe/" + name }

  func cluster(_ cluster: String) -> String { reserved + cluster + "/" }

  func topic(_ topic: String, cluster: String) -> String { self.cluster(cluster) + topic + "/" }

  func generation(_ generation: Int64, _ topic: String, cluster: String) -> String {
    self.topic(topic, cluster: cluster) + "\(generation)/"
  }

  /// The object that begins a generation after the first.
  func beginning(_ generation: Int64, _ topic: String, cluster: String) -> String {
    self.generation(generation, topic, cluster: cluster) + "begin"
  }

  func log(_ topic: String, cluster: String, generation: Int64, partition: Int32) -> LogLayout {
    LogLayout(
      folder: self.generation(generation, topic, cluster: cluster) + "\(partition)/", output: address.description)
  }
}

/// The keys of one partition's log.
struct LogLayout: Sendable, Hashable {
  /// With a slash at its end.
  let folder: String
  /// The output's address, without a slash at its end: the beginning of every `file_path`.
  let output: String

  static let digits = 20
  private static let ending = ".csv"
  private static let notesEnding = ".json"

  private func number(_ offset: Int64) -> String {
    let text = String(offset)
    return String(repeating: "0", count: Self.digits - text.count) + text
  }

  func commit(_ first: Int64) -> String { folder + number(first) + Self.ending }
  /// Follows all commits before that offset, and precedes all others.
  func before(_ first: Int64) -> String { folder + number(first) }
  var allNotes: String { folder + "notes/" }
  func notes(_ first: Int64, id: String) -> String { allNotes + "\(number(first))-\(id)\(Self.notesEnding)" }
  var checkpoint: String { folder + "checkpoint" }

  /// The batch that notes are about; nil if the key is not one of notes.
  func batch(ofNotes key: String) -> (first: Int64, id: String)? {
    guard key.hasPrefix(allNotes), key.hasSuffix(Self.notesEnding) else { return nil }
    let parts = key.dropFirst(allNotes.count).dropLast(Self.notesEnding.count).split(separator: "-", maxSplits: 1)
    guard parts.count == 2, let first = Int64(parts[0]) else { return nil }
    return (first, String(parts[1]))
  }

  /// The first offset of a commit; nil if the key is not one of a commit.
  func first(of key: String) -> Int64? {
    guard key.hasPrefix(folder), key.hasSuffix(Self.ending) else { return nil }
    let name = key.dropFirst(folder.count).dropLast(Self.ending.count)
    guard name.utf8.count == Self.digits, name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(name)
  }
}
