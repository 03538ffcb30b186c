/// Whether what a consumer writes is on the disk by the time that it must be, as its system calls tell: a power failure
/// loses whatever was not synced, which no kill of a process shows.
///
/// - a file's bytes before it is renamed;
/// - bytes and names of everything before the catalog's transaction, which speaks of them, is written;
/// - that transaction before anything of the next batch gets its name.
///
/// Files of the next batch may be written all the while: they have no names yet. Those among the segments cannot be told from
/// this batch's, so the order of these shows where there is one batch alone.
struct DiskOrder {
  private(set) var violations: [String] = []
  private(set) var renamed = 0
  /// Transactions that spoke of renames.
  private(set) var commits = 0
  private(set) var calls: [String: Int] = [:]

  private let output: String
  private let csv: String
  private let batchesOverlap: Bool
  /// By path, of files and folders: how often it was changed, and which of these changes are on the disk.
  private var changes: [String: (made: Int, synced: Int)] = [:]
  /// What had been made where when a sync began, by thread.
  private var begun: [String: [String: Int]] = [:]
  private var isCommitted = true
  /// The catalog's transaction is being written.
  private var isCommitting = false
  /// Files among the segments.
  private var made: Set<String> = []

  /// What is looked at, for strace.
  static let traced = [
    "openat", "write", "pwrite64", "pwritev", "ftruncate", "mkdirat", "rename", "renameat", "renameat2", "linkat",
    "fsync",
    "fdatasync", "syncfs",
  ]

  /// - Parameters:
  ///   - output: the absolute path of the folder that images are stored in.
  ///   - csv: the absolute path of the CSV file.
  ///   - batchesOverlap: false where there is one batch alone.
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

  /// The catalog's own files are SQLite's to order, but for the one that its transactions are written to. What consumers
  /// tell each other in their locks is of no use to anybody after a power failure.
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
      change(Self.folder(of: places[1]))
      renamed += 1
      isCommitted = false
    case "openat":
      // What is renamed later is found under its new name; what waits for its other segments, under this one.
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

  /// Folder and name, together.
  private static func places(_ call: SystemCall) -> [String] {
    stride(from: 0, to: call.paths.count - 1, by: 2).map { call.paths[$0] + "/" + call.paths[$0 + 1] }
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }
}
