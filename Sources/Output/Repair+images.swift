import Platform
import Wire

extension Repair {
  /// Looks at the bytes of every image of the catalog. The entry of one that is missing or altered is made such that the
  /// image is stored when it comes again, without a second row.
  func compareImages(_ catalog: Catalog) throws {
    var last: String?
    while true {
      // Some at a time: they are changed on the way, and a data set may have more than memory should.
      let entries = try catalog.entries(after: last, atMost: 1_000)
      guard let end = entries.last else { return }
      last = end.name
      for (text, entry) in entries {
        try goOn()
        try compare(text, entry, catalog)
      }
    }
  }

  private func compare(_ text: String, _ entry: Catalog.Entry, _ catalog: Catalog) throws {
    guard let name = try? ImageName(text) else { return remains(text, "it has a name that is never stored") }
    var correct = Catalog.Entry(digest: entry.digest, size: entry.size, modified: 0, inode: 0)
    if let status = try output.status(name), let file = try output.openFile(name) {
      let digest = try file.digest()
      if digest == entry.digest {
        result.sound += 1
        correct = Catalog.Entry(entry.digest, status)
      } else if try catalog.awaits(text, digest) {
        // Put together and not committed: its last message comes again and finds it.
        result.sound += 1
      } else {
        remains(text, "it has other bytes than those that were stored")
      }
    } else {
      remains(text, "it is missing")
    }
    if correct != entry { try catalog.set(correct, name: text) }
  }

  /// True where an image that the catalog still waits for stands under its name: a consumer that was killed between rename
  /// and commit leaves it so, and the next one heals it.
  func isPlaced(_ assembly: Catalog.Assembly) throws -> Bool {
    guard let name = try? ImageName(assembly.name), try output.status(name)?.size == assembly.length,
      let file = try output.openFile(name)
    else { return false }
    return try file.digest() == assembly.digest
  }

  /// Logs the images of which no row tells: what a file says of itself, and no message.
  /// - Returns: how many they are.
  func logUnknownImages(_ catalog: Catalog, _ csv: CSVFile) throws -> Int {
    var added = 0
    let walker = try FolderWalker(root: output.path) { [filter] path in
      path != ImageName.reserved && filter.enters(path)
    }
    while let entry = walker.next() {
      try goOn()
      let entry = try entry.get()
      guard entry.kind == .regular, let text = entry.string, filter.accepts(text),
        !CSVFile.isItsOwn(text, at: csv.path, output: output.path), let name = try? ImageName(text),
        try catalog.entry(text) == nil,
        let status = try output.status(name), let file = try output.openFile(name)
      else { continue }
      let digest = try file.digest()
      let probe = try file.probe()
      try catalog.set(Catalog.Entry(digest, status), name: text)
      try catalog.append(
        StoredRow(
          filePath: output.filePath(name), label: name.label, digest: digest, size: status.size, format: probe.format,
          width: probe.width, height: probe.height, topic: "", partition: -1, offset: -1, sentTime: nil,
          storedTime: status.modified / 1_000_000))
      added += 1
      result.sound += 1
    }
    return added
  }
}
