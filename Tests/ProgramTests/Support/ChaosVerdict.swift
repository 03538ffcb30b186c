import TestSupport

@testable import Platform
@testable import SQLite

/// Checks that folder, CSV file, catalog and ledger are exactly as a run without kills leaves them. By its own means
/// first, then with `verify`.
struct ChaosVerdict {
  private let run: ChaosRun
  private let folder: TestFolder
  private let images: [ChaosImages.Image]

  init(_ run: ChaosRun) {
    self.run = run
    folder = run.folder
    images = run.images.all
  }

  func faults() throws -> [String] {
    var faults = try self.files() + rows() + catalog() + leftovers() + logs()
    faults += try run.settings.deletesSentFiles ? input() : ledger() + verify()
    let letters = try run.broker.messageCount(run.broker.topic + "-dlq")
    if letters > 0 { faults.append("\(letters) dead letters: \(try run.broker.deadLetters().map { $0.headers })") }
    return faults
  }

  private func verify() throws -> [String] {
    let verify = try Program(["verify"], in: folder)
    return verify.exitCode() == 0 ? [] : ["verify: \(verify.output)"]
  }

  /// Everything that was sent is deleted, and nothing is set aside.
  private func input() throws -> [String] {
    let walker = try FolderWalker(root: folder.path + "/" + ChaosImages.folder) { _ in true }
    var left: [String] = []
    while let entry = walker.next() {
      if case .success(let entry) = entry, entry.kind != .folder { left.append(entry.string ?? "?") }
    }
    return left.isEmpty ? [] : ["not deleted: \(left.prefix(10))"]
  }

  // MARK: The folder and the CSV file

  private func files() throws -> [String] {
    var faults = difference("files", try folder.files(TestFolder.output), images.map(\.name))
    for image in images {
      let bytes = folder.bytes(TestFolder.output + "/" + image.name)
      guard let bytes, bytes.withUnsafeBytes({ SHA256.hash($0) }) != image.last.digest else { continue }
      faults.append(
        "\(image.name) has other bytes, \(bytes.count) of \(image.last.size)\n" + folder.logLines(about: image.name))
    }
    return faults
  }

  /// A row for each version, in their order.
  private func rows() -> [String] {
    var digests: [String: [String]] = [:]
    for (name, row) in zip(folder.rowNames, folder.rows) {
      digests[name, default: []].append(String(row.split(separator: ",", omittingEmptySubsequences: false)[2]))
    }
    let wrong = images.filter { digests[$0.name] != $0.versions.map(\.digest.hex) }
    return difference("rows", Array(digests.keys), images.map(\.name))
      + wrong.prefix(5).map { image in
        "\(image.name) has other rows than its \(image.versions.count) versions: \(digests[image.name] ?? [])\n"
          + folder.logLines(about: image.name)
      }
  }

  /// Names that only one list has, or that occur twice.
  private func difference(_ what: String, _ found: [String], _ expected: [String]) -> [String] {
    var counts: [String: Int] = [:]
    for name in found { counts[name, default: 0] += 1 }
    for name in expected { counts[name, default: 0] -= 1 }
    let wrong = counts.filter { $0.value != 0 }.sorted { $0.key < $1.key }
    return wrong.prefix(5).map { name, count in
      "\(what): \(name) is \(count < 0 ? "missing" : "there \(count) times too often")\n" + folder.logLines(about: name)
    } + (wrong.count > 5 ? ["\(what): \(wrong.count) in all"] : [])
  }

  // MARK: Catalog and ledger

  private func catalog() throws -> [String] {
    let reserved = folder.path + "/" + TestFolder.output + "/.image-pipeline"
    let database = try Database(path: reserved + "/catalog.sqlite", busyTimeout: .seconds(1))
    var faults: [String] = []
    var names: [String] = []
    var digests: [String: Digest] = [:]
    try database.prepare("SELECT name, digest FROM images").each { row in
      names.append(row.text(0))
      digests[row.text(0)] = Digest(bytes: row.blob(1))
      return true
    }
    faults += difference("catalog", names, images.map(\.name))
    faults += images.filter { digests[$0.name] != nil && digests[$0.name] != $0.last.digest }.map {
      "the catalog has another hash of \($0.name)"
    }
    var stored: [String] = []
    try database.prepare("SELECT file_path, digest FROM stored ORDER BY id").each { row in
      stored.append("\(row.text(0)),\(Digest(bytes: row.blob(1))?.hex ?? "")")
      return true
    }
    let rows = folder.rows.map { row -> String in
      let fields = row.split(separator: ",", omittingEmptySubsequences: false)
      return "\(fields[0]),\(fields[2])"
    }
    if stored != rows { faults.append("catalog and CSV file differ: \(stored.count) and \(rows.count) rows") }
    for (what, query, expected) in [
      ("images without their segments", "SELECT count(*) FROM assemblies", 0),
      ("segments", "SELECT count(*) FROM parts", 0),
      ("length of the CSV file", "SELECT length FROM csv_files", folder.bytes(TestFolder.csv)?.count ?? 0),
      ("topics", "SELECT count(*) FROM topics", 1),
      // Another generation means that the topic was taken for a new one.
      ("generation of the topic", "SELECT max(generation) FROM topics", 1),
    ] {
      let found = try database.prepare(query).first { Int($0.integer(0)) } ?? -1
      if found != expected { faults.append("the catalog's \(what): \(found), not \(expected)") }
    }
    return faults
  }

  private func ledger() throws -> [String] {
    let path = folder.path + "/.image-pipeline/ledger.sqlite"
    let database = try Database(path: path, busyTimeout: .seconds(1))
    var names: [String] = []
    try database.prepare("SELECT path FROM files").each { row in
      names.append(row.text(0))
      return true
    }
    return difference("ledger", names, images.map(\.name))
  }

  // MARK: What should not be

  private func leftovers() throws -> [String] {
    var names = try folder.leftovers()
    let walker = try FolderWalker(root: folder.path + "/" + TestFolder.output + "/.image-pipeline") { _ in true }
    while let entry = walker.next() {
      let name = String(decoding: try entry.get().relativePath, as: UTF8.self)
      let isOwn =
        name.hasPrefix("catalog.sqlite") || name.hasSuffix("/lock") || name == "in-use.lock" || name.hasPrefix("probe-")
      if try entry.get().kind == .regular, !isOwn { names.append(name) }
    }
    return names.isEmpty ? [] : ["left over: \(names)"]
  }

  /// Events that must not occur: all images are ours, and the broker loses nothing.
  private static let alarms: Set = [
    "topic_recreated", "csv_set_aside", "csv_rewritten", "messages_lost", "message_dead_lettered", "batch_failed",
    "image_incomplete", "image_refused", "name_refused", "sending_blocked", "dead_letter_topic_failed", "expiry_failed",
  ]

  func logs() throws -> [String] {
    var faults: [String] = []
    for (name, text) in try folder.programOutputs() {
      for line in text.split(separator: "\n") {
        let entry = LogEntry(line)
        // A killed broker does not tell which messages it has; the batch waits until it does.
        if let entry, entry.event == "batch_failed", entry.fields["error"] == "_TIMED_OUT" { continue }
        let isAlarm = entry.map { Self.alarms.contains($0.event) } ?? false
        if isAlarm || Program.findings.contains(where: { line.contains($0) }) { faults.append("\(name): \(line)") }
      }
    }
    return Array(faults.prefix(10))
  }

  /// How often a consumer found that another had stored past its position.
  func fencings() throws -> Int {
    try folder.programOutputs().reduce(0) { sum, output in
      sum + output.1.split(separator: "\n").count { $0.contains("event=batch_fenced") }
    }
  }

  /// The whereabouts of a missing image: still in the topic, or lost after its acknowledgement.
  func whereabouts(of names: [String]) throws -> [String] {
    let messages = try TopicContent(run.broker).messages()
    return names.map { name in
      let found = messages.filter { $0.name == name }
      let places = found.map { message in
        let digest = message.bytes.withUnsafeBytes { SHA256.hash($0) }
        return "\(message.partition)/\(message.offset) with \(message.bytes.count) bytes, \(digest.hex.prefix(8))"
      }
      let versions =
        images.first { $0.name == name }?.versions.map { "\($0.size) bytes, \($0.digest.hex.prefix(8))" } ?? []
      return "\(name), \(versions), is in the topic at \(places)\n" + folder.logLines(about: name)
    }
  }
}
