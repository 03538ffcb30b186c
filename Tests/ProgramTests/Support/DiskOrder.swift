import TestSupport

/// Checks, by its system calls, that a consumer syncs in the right order. A power failure loses whatever was not
/// synced, which killing a process does not show.
///
/// - A file's bytes are synced before it is renamed.
/// - Bytes and names are synced before the catalog's transaction about them is written.
/// - That transaction is synced before any file of the next batch gets its name.
///
/// Files of the next batch may be written at any time, since they have no names yet. Segments of the next batch look
/// like those of this one, so their order is checked with a single batch only.
struct DiskOrder {
  private(set) var violations: [String] = []
  private(set) var renamed = 0
  /// Transactions that recorded renames.
  private(set) var commits = 0
  private(set) var calls: [String: Int] = [:]

  private let output: String
  private let csv: String
  private let batchesOverlap: Bool
  /// For each file and folder: the number of changes, and how many of them are synced.
  private var changes: [String: (made: Int, synced: Int)] = [:]
  /// The changes at the start of a sync, by thread.
  private var begun: [String: [String: Int]] = [:]
  private var isCommitted = true
  /// Whether the catalog's transaction is being written.
  private var isCommitting = false
  /// Files that got their first names in the folder of temporary files.
  private var linked: Set<String> = []
  /// Segment files that were created.
  private var made: Set<String> = []

  /// The system calls for strace.
  static let traced = [
    "openat", "write", "pwrite64", "pwritev", "ftruncate", "mkdirat", "rename", "renameat", "renameat2", "linkat",
    "fsync",
    "fdatasync", "syncfs",
  ]

  /// - Parameters:
  /// - output: the absolute path of the image folder.
  /// - csv: the absolute path of the CSV file.
  /// - batchesOverlap: false if there is a single batch.
  init(_ trace: SystemCallTrace, output: String, csv: String, batchesOverlap: Bool) {
    self.output = output
    self.csv = csv
    self.batchesOverlap = batchesOverlap
    for event in trace.events {
      switch event {
      case .begun(let call): begin(call)
      case .ended(let call): end(call)
      }
    }
    if !isCommitted { violations.append("it ended before the catalog's transaction was synced") }
    if !notOnDisk.isEmpty { violations.append("it ended before these were on the disk: \(notOnDisk)") }
  }

  private var catalog: String { output + "/.image-pipeline/catalog.sqlite" }
  private var segments: String { output + "/.image-pipeline/segments" }

  /// SQLite orders its own files, except the one that transactions are written to. Lock files matter to nobody after a
  /// power failure.
  private func isOurs(_ path: String) -> Bool {
    path == csv || (path == output || path.hasPrefix(output + "/")) && !path.hasPrefix(catalog) && !isLock(path)
  }

  private func isLock(_ path: String) -> Bool {
    path.hasPrefix(output + "/.image-pipeline/consumer-") && path.hasSuffix("/lock")
  }

  private func isOnDisk(_ path: String) -> Bool { changes[path].map { $0.made == $0.synced } ?? true }

  private var notOnDisk: [String] {
    changes.keys.filter { isOurs($0) && !isOnDisk($0) && !$0.contains("/incoming/") }.sorted()
  }

  private mutating func change(_ path: String) {
    changes[path, default: (0, 0)].made += 1
  }

  private mutating func begin(_ call: SystemCall) {
    calls[call.name, default: 0] += 1
    guard let path = call.paths.first else { return }
    switch call.name {
    case "write", "pwrite64", "pwritev", "ftruncate":
      if path == catalog + "-wal" {
        isCommitting = !isCommitted
        let missing = notOnDisk.filter { batchesOverlap ? !$0.hasPrefix(segments) : true }
        if !missing.isEmpty { violations.append("the catalog speaks of what is not on the disk: \(missing)") }
        for path in missing { changes[path]!.synced = changes[path]!.made }
      }
      change(path)
    case "rename", "renameat", "renameat2", "linkat":
      guard let source = Self.places(call).first, isOurs(source) else { return }
      if isCommitting { violations.append("\(source) is renamed, and the transaction before it is not synced") }
      if !isOnDisk(source) { violations.append("\(source) is renamed, and its bytes are not on the disk") }
    case "fsync", "fdatasync": begun[call.thread] = changes[path].map { [path: $0.made] } ?? [:]
    case "syncfs": begun[call.thread] = changes.mapValues(\.made)
    default: break
    }
  }

  private mutating func end(_ call: SystemCall) {
    switch call.name {
    case "rename", "renameat", "renameat2", "linkat":
      let places = Self.places(call)
      guard places.count == 2, isOurs(places[0]) else { return }
      changes[places[1]] = changes.removeValue(forKey: places[0])
      // Without a journal, only a sync of the file itself, or of the whole file system, makes its first name count.
      let isLinked = call.name == "linkat" || linked.remove(places[0]) != nil
      // A file without a name gets one there before it replaces another file.
      if places[1].contains("/incoming/") {
        linked.insert(places[1])
        return
      }
      if isLinked { change(places[1]) }
      change(Self.folder(of: places[1]))
      renamed += 1
      isCommitted = false
    case "openat":
      // Renamed files are tracked under their new names, waiting segments under these.
      guard call.creates, let place = Self.places(call).first, place.hasPrefix(segments + "/"),
        made.insert(place).inserted
      else { return }
      change(Self.folder(of: place))
    case "mkdirat":
      guard let place = Self.places(call).first, isOurs(place) else { return }
      change(Self.folder(of: place))
    case "fsync", "fdatasync", "syncfs":
      for (path, made) in begun.removeValue(forKey: call.thread) ?? [:] {
        if let synced = changes[path]?.synced { changes[path]!.synced = max(synced, made) }
      }
      if call.paths.first == catalog + "-wal" {
        commits += isCommitted ? 0 : 1
        (isCommitted, isCommitting) = (true, false)
      }
    default: break
    }
  }

  /// Folders and names, joined to paths. A descriptor that gets a name is a place itself.
  private static func places(_ call: SystemCall) -> [String] {
    stride(from: 0, to: call.paths.count - 1, by: 2).map { index in
      let (folder, name) = (call.paths[index], call.paths[index + 1])
      return name.isEmpty ? folder : folder + "/" + name
    }
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }
}
