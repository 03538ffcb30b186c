import Platform
import Wire

extension Repair {
  /// Compares the bytes of every image in the catalog. If an image is missing or altered, its entry is changed so that
  /// the image is stored when it arrives again, without a second row.
  func compareImages(_ catalog: Catalog) throws {
    var last: String?
    while true {
      // Read in portions: the entries change on the way, and a data set may have more than memory should hold.
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
    guard let name = try? ImageName(text) else {
      return remains("name_refused", text, "it has a name that is never stored")
    }
    var correct = Catalog.Entry(digest: entry.digest, size: entry.size, modified: 0, inode: 0)
    if let status = try output.status(name), let file = try output.openFile(name) {
      let digest = try file.digest()
      if digest == entry.digest {
        result.sound += 1
        correct = Catalog.Entry(entry.digest, status)
      } else if try catalog.awaits(text, digest) {
        // The image was assembled, but that was not committed. Its last message arrives again and finds it.
        result.sound += 1
      } else {
        remains("altered", text, "its content differs from what was stored")
      }
    } else {
      remains("missing", text, "it is missing")
    }
    if correct != entry { try catalog.set(correct, name: text) }
  }

  /// True if an image that is still an assembly in the catalog already has its name. A consumer that is killed between
  /// rename and commit leaves this state, and the next one completes it.
  func isPlaced(_ assembly: Catalog.Assembly) throws -> Bool {
    guard let name = try? ImageName(assembly.name), try output.status(name)?.size == assembly.length,
      let file = try output.openFile(name)
    else { return false }
    return try file.digest() == assembly.digest
  }

  /// Adds images that have no row. Their rows hold what the file itself shows, and no message.
  /// - Returns: the number of images that were added.
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
