import Kafka
import Platform

/// Compares the dropped images with the output, the CSV file and the topic, by its own means.
struct Judge {
  let settings: Settings
  let manifest: Manifest

  /// - Parameter witness: nil to leave out the topic.
  func judge(_ witness: TopicWitness?) throws -> Report {
    var report = Report()
    let images = "\(manifest.images.count) images"
    report.expect("\(images) stored, each byte for byte (SHA-256)", try files())
    report.expect("nothing else is stored", try extras())
    let table = try CSVTable(settings.csv)
    report.expect(
      "the CSV file has one row for each of \(manifest.versionCount) versions, hash and size right", rows(table))
    report.expect("each row has the right path and label", labels(table))
    report.expect("no row is of anything else", strangers(table))
    report.expect("no temporary file is left", try leftovers())
    guard let witness else { return report }
    report.expect(
      "all of them went through the topic: seen by a plain consumer in \(witness.messages) messages, \(witness.segments) of them "
        + "segments", witness.faults + unseen(witness))
    report.expect("each row names the message that brought its image", origins(table, witness))
    let lag = try TopicWitness.lag(settings)
    report.expect("the consumers' group has read all of it", lag == 0 ? [] : ["\(lag) messages are not committed"])
    return report
  }

  // MARK: The folder

  private func files() throws -> [String] {
    try manifest.images.compactMap { image in
      let path = settings.output + "/" + image.name
      guard let status = try FileStatus.of(path, followingLinks: false), status.kind == .regular else {
        return "\(image.name) is missing"
      }
      let content = try content(of: path)
      let digest = content.withUnsafeBytes { SHA256.hash($0) }.hex
      guard digest != image.versions.last?.digest else { return nil }
      return "\(image.name) has other bytes: \(content.count) of them, \(image.versions.last?.size ?? 0) were sent"
    }
  }

  private func stored(below folder: String, except skipped: String) throws -> [String] {
    guard try FileStatus.of(folder) != nil else { return [] }
    let walker = try FolderWalker(root: folder) { $0 != skipped }
    var names: [String] = []
    while let entry = try walker.next()?.get() {
      if entry.kind != .folder { names.append(String(decoding: entry.relativePath, as: UTF8.self)) }
    }
    return names
  }

  private func extras() throws -> [String] {
    let known = Set(manifest.images.map { Array($0.name.utf8) })
    return try stored(below: settings.output, except: ".image-pipeline").filter { !known.contains(Array($0.utf8)) }.map
    {
      "\($0) was never dropped"
    }
  }

  private func leftovers() throws -> [String] {
    let reserved = settings.output + "/.image-pipeline"
    return try stored(below: reserved, except: "dead-letters").filter { $0.hasSuffix(".part") }
  }

  // MARK: The CSV file

  /// The rows of each path. Paths are compared by their bytes: characters that look alike do not make the same name.
  private func rowsByPath(_ table: CSVTable) -> [[UInt8]: [[String]]] {
    Dictionary(grouping: table.rows) { Array(($0.first ?? "").utf8) }
  }

  private func path(_ image: Manifest.Image) -> [UInt8] { Array("\(settings.output)/\(image.name)".utf8) }

  private func rows(_ table: CSVTable) -> [String] {
    guard let digest = table.column("sha256"), let size = table.column("size") else {
      return ["the header is \(table.header)"]
    }
    let rows = rowsByPath(table)
    return manifest.images.compactMap { image in
      let found = (rows[path(image)] ?? []).map { row in
        row.count == table.header.count
          ? Manifest.Version(size: Int(row[size]) ?? -1, digest: row[digest]) : Manifest.Version(size: -1, digest: "")
      }
      guard found != image.versions else { return nil }
      return found.count == image.versions.count
        ? "\(image.name): another hash or size in its row"
        : "\(image.name): \(found.count) rows, \(image.versions.count) expected"
    }
  }

  private func labels(_ table: CSVTable) -> [String] {
    guard table.header.starts(with: ["file_path", "image_label"]) else { return ["the header is \(table.header)"] }
    let rows = rowsByPath(table)
    return manifest.images.compactMap { image in
      guard let wrong = rows[path(image)]?.first(where: { $0.count < 2 || $0[1] != image.label }) else { return nil }
      return "\(image.name): the label is \(wrong.dropFirst().first ?? "missing"), not \(image.label)"
    }
  }

  private func strangers(_ table: CSVTable) -> [String] {
    let known = Set(manifest.images.map(path))
    return table.rows.filter { !known.contains(Array(($0.first ?? "").utf8)) }.map { "\($0.first ?? "")" }
  }

  // MARK: The topic

  private func unseen(_ witness: TopicWitness) -> [String] {
    manifest.images.flatMap { image in
      image.versions.filter {
        !witness.sightings.contains(TopicWitness.Sighting(name: image.name, digest: $0.digest))
      }.map { "\(image.name), \($0.size) bytes, is not in the topic" }
    }
  }

  private func origins(_ table: CSVTable, _ witness: TopicWitness) -> [String] {
    guard let topic = table.column("topic"), let partition = table.column("partition"),
      let offset = table.column("offset")
    else { return ["the header is \(table.header)"] }
    let start = settings.output + "/"
    return table.rows.compactMap { row in
      guard row.count == table.header.count, row[0].hasPrefix(start) else { return "a row with \(row.count) columns" }
      let key = witness.keys["\(row[partition])/\(row[offset])"] ?? "another"
      let name = row[0].utf8.dropFirst(start.utf8.count)
      guard row[topic] != settings.topic || !key.utf8.elementsEqual(name) else { return nil }
      return
        "\(row[0]) is recorded as from \(row[topic]), partition \(row[partition]), offset \(row[offset]): that is \(key)"
    }
  }
}
