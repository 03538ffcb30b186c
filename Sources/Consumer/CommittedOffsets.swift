import Kafka
import Output
import Telemetry

/// The offsets that the group has committed: written for those who watch the group, never used as positions.
///
/// Operators reset them to have a topic read again, or to skip a part of it. The note of each of our commits says that
/// it is ours. So an offset committed by another client can be told from one of ours that is behind the catalog because
/// of a crash.
enum CommittedOffsets {
  private static let mark = "image-pipeline "
  /// The longest wait for the coordinator's answer: a rebalance is under way.
  private static let patience = Duration.seconds(1)
  private static let mostShown = 20

  static func note(of output: String) -> String { mark + output }

  /// Logs the offsets that another client committed, if they differ from the positions at which this output continues.
  /// To be called at each assignment, before anything is committed over them.
  static func review(
    of partitions: [Int32], _ positions: [Int32: Catalog.Position], _ consumer: KafkaConsumer, _ log: Log
  ) {
    // The work does not wait for a coordinator that does not answer now.
    guard let commits = try? consumer.commits(partitions: partitions, timeout: patience) else { return }
    let ignored = commits.filter { partition, commit in
      !commit.note.hasPrefix(mark) && commit.offset != positions[partition]?.next ?? 0
    }.sorted { $0.key < $1.key }
    guard !ignored.isEmpty else { return }
    let used = ignored.map { ($0.key, positions[$0.key]?.next) }
    let skips = zip(ignored, used).allSatisfy { $0.value.offset > $1.1 ?? 0 }
    log.warning(
      event: "offsets_ignored",
      "the group's committed offsets were set by another client and are not used; the output continues at its own positions. "
        + (skips
          ? "The messages between them are stored, not skipped"
          : "To read the whole topic again: image-pipeline consumer --from-beginning"),
      [
        "committed": .string(listed(ignored.map { "\($0.key):\($0.value.offset)" })),
        "used": .string(listed(used.map { "\($0.0):\($0.1.map { String($0) } ?? "beginning")" })),
      ])
  }

  private static func listed(_ all: [String]) -> String {
    all.prefix(mostShown).joined(separator: ",") + (all.count > mostShown ? ",..." : "")
  }
}

extension [Int32] {
  /// Partitions as a log line shows them: `0,1,5`.
  var listed: String { sorted().map { String($0) }.joined(separator: ",") }
}
