import TestSupport

@testable import Platform

/// Checks how a `ForgettingRun` has ended: each image is in both outputs, byte for byte and with one row for each version,
/// or its file is still in the input and `status` names it. By its own means first, then with the program's commands.
struct ForgettingVerdict {
  private let run: ForgettingRun
  private let folder: TestFolder
  private let images: OfferedImages

  init(_ run: ForgettingRun) {
    self.run = run
    folder = run.folder
    images = run.images
  }

  func faults() throws -> [String] {
    var faults = try images.lookBack() + input() + status() + letters() + logs()
    for output in run.outputs {
      faults += try files(of: output) + rowFaults(of: output) + verify(output) + audit(output)
    }
    return faults
  }

  // MARK: Outputs

  private func files(of output: ForgettingRun.Output) throws -> [String] {
    let (found, expected) = (Set(try folder.files(output.folder)), Set(images.storable.map(\.name)))
    return found == expected
      ? []
      : [
        "\(output.folder) lacks \(expected.subtracting(found).sorted().prefix(5)) and has "
          + "\(found.subtracting(expected).sorted().prefix(5)) too much"
      ]
  }

  /// The name and the hash of each row, in order.
  func rows(of output: ForgettingRun.Output) -> [(name: String, digest: String)] {
    folder.text(output.csv).split(separator: "\n").dropFirst().map { row in
      let fields = row.split(separator: ",", maxSplits: 3, omittingEmptySubsequences: false)
      return (String(fields[0].dropFirst(output.folder.count + 1)), String(fields[2]))
    }
  }

  /// A row for each version in their order, and no other. A version that was soon replaced may have none.
  private func rowFaults(of output: ForgettingRun.Output) -> [String] {
    let digests = Dictionary(grouping: rows(of: output), by: \.name).mapValues { $0.map(\.digest) }
    let wrong = images.all.filter { image in
      let found = digests[image.name] ?? []
      return found != image.versions.filter { !$0.isOptional || found.contains($0.digest.hex) }.map(\.digest.hex)
        && !(image.isRefused && found.isEmpty)
    }
    let strangers = Set(digests.keys).subtracting(images.all.map(\.name))
    return (strangers.isEmpty ? [] : ["\(output.csv) has rows of \(strangers.sorted().prefix(5))"])
      + wrong.prefix(5).map { image in
        "\(output.csv): \(image.name) has the rows \(digests[image.name] ?? []) for its versions "
          + "\(image.versions.map { "\($0.digest.hex)\($0.isOptional ? " (replaced)" : "")" })\n"
          + folder.logLines(about: image.name)
      }
  }

  private func verify(_ output: ForgettingRun.Output) throws -> [String] {
    let verify = try Program(
      ["verify", "--input", OfferedImages.copies, "--output", output.folder, "--csv", output.csv], in: folder)
    return verify.exitCode() == 0 ? [] : ["verify of \(output.folder): \(verify.output)"]
  }

  /// `audit` names each file that no output can store, and nothing else but replaced versions that lost segments.
  private func audit(_ output: ForgettingRun.Output) throws -> [String] {
    let audit = try Program(
      ["audit", "--json"], in: folder,
      environment: ForgettingRun.environment(run.broker).merging(output.environment) { $1 })
    let code = audit.exitCode()
    let replaced = replacedUnstored(in: output)
    let all = audit.results.filter { $0["finding"] != nil }
    let found = all.filter { line in
      !(line["text"]?.contains("SegmentTimeout") == true && replaced.contains(line["name"] ?? ""))
    }.map { "\($0["finding"] ?? "") \($0["name"] ?? "")" }.sorted()
    let expected = images.refused.map { "dead_letter \($0.name)" }.sorted()
    return found == expected && code == (all.isEmpty ? 0 : 1)
      ? [] : ["audit of \(output.folder): exit code \(code ?? -1)\n\(audit.output)"]
  }

  /// Names of images that were replaced in the input before the output stored the older version.
  private func replacedUnstored(in output: ForgettingRun.Output) -> Set<String> {
    let stored = Dictionary(grouping: rows(of: output), by: \.name).mapValues { $0.map(\.digest) }
    let images = images.all.filter { image in
      image.versions.contains { $0.isOptional && stored[image.name]?.contains($0.digest.hex) != true }
    }
    return Set(images.map(\.name))
  }

  // MARK: Input

  /// Only files that no output can store are left, with their bytes.
  private func input() throws -> [String] {
    let left = try folder.files(OfferedImages.folder)
    let expected = images.refused.map(\.name).sorted()
    guard left == expected else { return ["the input has \(left.prefix(10)), not \(expected)"] }
    return images.refused.filter { image in
      folder.bytes("\(OfferedImages.folder)/\(image.name)")?.withUnsafeBytes { SHA256.hash($0) } != image.last.digest
    }.map { "the file \($0.name) was changed" }
  }

  /// `status` names each file that is left, with its reason, and nothing else.
  private func status() throws -> [String] {
    let status = try Program(
      ["status", "--json"], in: folder, environment: ForgettingRun.environment(run.broker))
    guard status.exitCode() == 0, let counts = status.results.first else { return ["status: \(status.output)"] }
    let refused = images.refused.map(\.name).sorted()
    let named = status.results.dropFirst().filter { $0.has(["state": "dead_letter", "kind": "NameRefusal"]) }
      .compactMap { $0["image"] }
    let states = ["waiting": "0", "confirmed": "0", "dead_letter": "\(refused.count)", "lost": "0", "gone": "0"]
    return counts.has(states) && named.sorted() == refused ? [] : ["status, not \(refused): \(status.output)"]
  }

  /// Only images that cannot be stored, and incomplete ones: the topic has lost their other segments.
  private func letters() throws -> [String] {
    let refused = Set(images.refused.map(\.name))
    let wrong = try run.broker.deadLetters().filter { letter in
      let kind = letter.header("__connect.errors.exception.class.name") ?? "?"
      let name = String(decoding: letter.key ?? [], as: UTF8.self)
      return kind.hasSuffix("NameRefusal") ? !refused.contains(name) : !kind.hasSuffix("SegmentTimeout")
    }
    return wrong.isEmpty ? [] : ["\(wrong.count) dead letters: \(wrong.prefix(3).map(\.headers))"]
  }

  // MARK: Logs

  /// Events that must not occur.
  private static let alarms: Set = [
    "topic_recreated", "csv_set_aside", "csv_rewritten", "batch_failed", "image_refused", "name_refused",
    "sending_blocked", "dead_letter_topic_failed", "lost_image_gone", "receipt_unusable", "receipts_unreadable",
  ]

  func logs() throws -> [String] {
    var faults: [String] = []
    for (name, text) in try folder.programOutputs() {
      for line in text.split(separator: "\n") {
        let entry = LogEntry(line)
        // A killed broker does not answer; the request is repeated until it does.
        if let entry, entry.fields["error"] == "_TIMED_OUT" { continue }
        let isAlarm = entry.map { Self.alarms.contains($0.event) } ?? false
        if isAlarm || Program.findings.contains(where: { line.contains($0) }) { faults.append("\(name): \(line)") }
      }
    }
    return Array(faults.prefix(10))
  }

  /// How many messages the consumers have reported as lost.
  func reportedLost() throws -> Int {
    try folder.programOutputs().flatMap {
      $0.1.split(separator: "\n").compactMap { LogEntry($0) }.events("messages_lost")
    }
    .reduce(0) { $0 + ($1.number("messages") ?? 0) }
  }

  /// How often a version was acknowledged once more after the ledger had it.
  func sentAgain() throws -> Int {
    let sent = try folder.programOutputs().flatMap {
      $0.1.split(separator: "\n").compactMap { LogEntry($0) }.events("image_sent")
    }
    let counts = Dictionary(grouping: sent) { "\($0.fields["image"] ?? "")/\($0.fields["bytes"] ?? "")" }
    return counts.values.reduce(0) { $0 + $1.count - 1 }
  }
}
