package import Platform
import Telemetry
package import Wire

/// Counts the files of the input folder by their names: how many are images, and how many are passed by.
package struct FileTally: Sendable, Equatable {
  private(set) var images = 0
  /// Files whose extension is not among those that count as images.
  package private(set) var passedBy = 0
  /// Files and folders that match a pattern of `IMAGE_EXCLUDE`. The files in such folders are not counted.
  package private(set) var excluded = 0
  /// Hidden and unfinished files, and files of storage and operating systems.
  package private(set) var leftAlone = 0
  private var endings: [String: Int] = [:]

  /// Further endings are names with dots rather than extensions. They are not listed, because memory is bounded.
  private static let mostExtensions = 1_000
  private static let mostNamed = 5

  package init() {}

  /// Whether nothing is sent although there are files.
  var isFruitless: Bool { images == 0 && passedBy + excluded > 0 }

  /// - Parameter kind: of the entry itself. A link counts only if its name is that of an image: any other may lead to a
  ///   folder.
  package mutating func add(_ path: String, _ kind: FileStatus.Kind, by filter: FileFilter) {
    switch kind {
    case .folder: if filter.isExcluded(path, isFolder: true) { excluded += 1 }
    case .regular: add(path, filter.verdict(path))
    case .symbolicLink: if filter.accepts(path) { images += 1 }
    case .other: break
    }
  }

  package mutating func add(_ path: String, _ verdict: FileFilter.Verdict) {
    switch verdict {
    case .image: images += 1
    case .excluded: excluded += 1
    case .unfinished, .system: leftAlone += 1
    case .otherExtension:
      passedBy += 1
      let ending = FileFilter.ending(of: path.lastComponent.lowercased()) ?? ""
      if endings.count < Self.mostExtensions || endings[ending] != nil { endings[ending, default: 0] += 1 }
    }
  }

  /// Extensions of files that are passed by, the most frequent first. An empty string means files without an extension.
  private var mostFrequent: [(ending: String, count: Int)] {
    endings.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.mostNamed).map { ($0.key, $0.value) }
  }

  /// For example `skipped 16 files by extension (.txt 12, .cr2 3, without extension 1)`; nil if there are none.
  package var summary: String? {
    let parts = [
      passedBy > 0 ? "skipped \(Quantity.count(passedBy, "file")) by extension (\(named))" : nil,
      excluded > 0 ? "\(Quantity.grouped(excluded)) excluded by IMAGE_EXCLUDE" : nil,
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// The value of IMAGE_EXTENSIONS that also includes the most frequent of the other extensions.
  package func extensions(besides known: [String]) -> String {
    (known + mostFrequent.map(\.ending).filter { !$0.isEmpty }).joined(separator: ",")
  }

  /// For example `.txt 12, .cr2 3, without extension 1`.
  package var named: String {
    mostFrequent.map { ($0.ending.isEmpty ? "without extension" : ".\($0.ending)") + " \(Quantity.grouped($0.count))" }
      .joined(separator: ", ")
  }
}
