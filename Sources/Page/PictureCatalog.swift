import Output
import Platform
import Wire

/// Reads the catalog of an output next to the consumers that write it. The output may not exist yet, and may be replaced
/// by another one: the catalog is opened again when that is necessary. Used by one thread at a time.
final class PictureCatalog {
  let output: any PictureOutput
  private var opened: Opened?
  private var openings = 0
  private var names: NameFinder

  private struct Opened {
    let catalog: Catalog
    let status: FileStatus
  }

  /// The rows that one look at the database reads. Long names make a look slow, so the first ones are small.
  private static let (firstSlice, largestSlice): (Int64, Int64) = (64, 8_192)
  /// The time after which a search returns what it has found so far.
  private let budget: Duration

  init(_ output: any PictureOutput, budget: Duration = .milliseconds(50)) {
    self.output = output
    self.budget = budget
    names = NameFinder(output: output.path)
  }

  /// The identity of the catalog; nil if there is none yet.
  func identity() throws -> String? { try read { $0.id } }

  /// Changes when something has been stored.
  func version() throws -> Version? {
    // A snapshot is opened again when the file has changed.
    try read { try Version(opening: openings, data: $0.isSnapshot ? 0 : $0.dataVersion()) }
  }

  struct Version: Equatable {
    let opening: Int
    let data: Int64
  }

  func newest() throws -> Int64 { try read { try $0.newestRow() } ?? 0 }

  func picture(_ id: Int64) throws -> Picture? {
    try read { catalog in try catalog.row(id).map { try picture(id, $0, catalog) } } ?? nil
  }

  /// The newest pictures below an id.
  /// - Parameters:
  ///   - before: nil for the newest of all.
  ///   - limit: the maximum number of pictures. There are fewer if the search took too long.
  func pictures(before: Int64?, matching filter: PictureFilter, atMost limit: Int) throws -> PicturePage {
    try read { catalog in
      var page = PicturePage()
      let rows = filter.rows
      let deadline = MonotonicClock.now + budget
      var end = try min(before ?? .max, catalog.newestRow() + 1)
      var slice = Self.firstSlice
      while end > 1 {
        let start = rows.isEmpty ? 1 : max(1, end - slice)
        slice = min(Self.largestSlice, slice * 2)
        let wanted = limit - page.pictures.count
        let found = try catalog.rows(in: start..<end, matching: rows, atMost: wanted)
        for (id, row) in found {
          let picture = try picture(id, row, catalog)
          if filter.accepts(name: picture.name) { page.pictures.append(picture) }
        }
        // With as many rows as wanted, there may be more of them in the same slice.
        end = found.count == wanted ? found.last!.id : start
        if page.pictures.count == limit || MonotonicClock.now >= deadline { break }
      }
      page.next = end > 1 ? end : nil
      return page
    } ?? PicturePage()
  }

  /// The newest pictures above an id, newest first, and whether there are more of them than `limit`.
  func pictures(after id: Int64, atMost limit: Int) throws -> (pictures: [Picture], areMore: Bool) {
    try read { catalog in
      let rows = try catalog.rows(in: (id + 1)..<Int64.max, matching: .init(), atMost: limit + 1)
      return (try rows.prefix(limit).map { try picture($0.id, $0.row, catalog) }, rows.count > limit)
    } ?? ([], false)
  }

  /// The labels of stored images, in the order of their bytes, and whether there are more. An image at the top of the
  /// output has only its own name for a label, which is left out.
  func labels(atMost limit: Int) throws -> (labels: [String], areMore: Bool) {
    try read { catalog in
      let slash = UInt8(ascii: "/")
      var labels: [String] = []
      var next = ""
      let deadline = MonotonicClock.now + budget
      search: while labels.count < limit, MonotonicClock.now < deadline {
        let names = try catalog.names(from: next, atMost: 100)
        for name in names {
          if let end = name.utf8.firstIndex(of: slash) {
            let label = String(name[..<end])
            labels.append(label)
            // The character after the slash: past all names that begin with the label and a slash.
            next = label + "0"
            continue search
          }
        }
        guard names.count == 100, let last = names.last else { return (labels, false) }
        next = last + "\u{0}"
      }
      return (labels, true)
    } ?? ([], false)
  }

  private func picture(_ id: Int64, _ row: StoredRow, _ catalog: Catalog) throws -> Picture {
    let (name, stored) = try names.name(of: row.filePath) { try catalog.storedDigest(of: $0) }
    return Picture(id: id, row: row, name: name, isCurrent: stored == row.digest)
  }

  // MARK: Opening

  /// - Returns: nil if the output has no catalog yet.
  private func read<T>(_ body: (Catalog) throws -> T) throws -> T? {
    var isOld = opened != nil
    while true {
      guard let catalog = try current() else { return nil }
      do { return try body(catalog) } catch {
        // It may have been written while a snapshot of it was read, or replaced since it was looked at.
        opened = nil
        guard isOld else { throw error }
        isOld = false
      }
    }
  }

  private func current() throws -> Catalog? {
    let folder = output.watchedFolder()
    let path = "\(folder ?? "")/\(ImageName.reserved)/\(Catalog.fileName)"
    guard let folder, let status = try FileStatus.of(path), status.kind == .regular else {
      opened = nil
      return nil
    }
    if let opened {
      let isSame = opened.status.isSameFile(as: status)
      if isSame, !opened.catalog.isSnapshot || opened.status == status && !opened.catalog.isShared {
        return opened.catalog
      }
    }
    opened = nil
    do {
      guard let catalog = try Catalog(reading: folder) else { return nil }
      opened = Opened(catalog: catalog, status: status)
      openings += 1
      return catalog
    } catch { throw CatalogError(behind: error, path: path) ?? error }
  }
}

/// Finds an image's name in the paths of the catalog. They begin with the output's path as the consumer had it.
struct NameFinder {
  private var prefix: [UInt8]

  init(output: String) { prefix = Array((output + "/").utf8) }

  /// - Parameter stored: the hash of what is stored under a name; nil if nothing is.
  mutating func name(of path: String, _ stored: (String) throws -> Digest?) rethrows -> (String, Digest?) {
    // By bytes: to Swift, a slash followed by a combining accent is another character.
    let bytes = Array(path.utf8)
    var known: String?
    if bytes.starts(with: prefix) {
      let name = String(decoding: bytes.dropFirst(prefix.count), as: UTF8.self)
      if let digest = try stored(name) { return (name, digest) }
      known = name
    }
    for (place, byte) in bytes.enumerated() where byte == UInt8(ascii: "/") {
      let name = String(decoding: bytes[(place + 1)...], as: UTF8.self)
      if let digest = try stored(name) {
        prefix = Array(bytes[...place])
        return (name, digest)
      }
    }
    return (known ?? path, nil)
  }
}
