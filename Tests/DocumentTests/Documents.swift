@testable import Platform

/// The project's Markdown files, as their readers find them.
struct Documents {
  /// The project's folder, without a slash at its end.
  static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  static func text(_ path: String) throws -> String {
    let file = try File.open(root + "/" + path, .read)
    var bytes = [UInt8](repeating: 0, count: try file.status().size)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  /// Regular files below a folder of the project, as paths relative to the project. What is built is left out.
  static func files(in folder: String = "") throws -> [String] {
    var found: [String] = []
    let start = folder.isEmpty ? root : root + "/" + folder
    let walker = try FolderWalker(root: start) { path in
      let name = path.split(separator: "/").last ?? ""
      return name != ".git" && !name.hasPrefix(".build") && name != "bench-results"
    }
    while let entry = walker.next() {
      guard let entry = try? entry.get(), entry.kind == .regular, let name = entry.string else { continue }
      found.append(folder.isEmpty ? name : folder + "/" + name)
    }
    return found.sorted()
  }

  /// The Markdown files for readers of the project, by their paths.
  static func all() throws -> [String] {
    try files().filter { path in
      path.hasSuffix(".md")
        && (!path.contains("/") || ["docs/", ".github/", "samples/"].contains { path.hasPrefix($0) })
    }
  }

  /// The lines outside of code blocks, without their code spans.
  static func prose(_ text: String) -> [String] {
    var isFenced = false
    return text.split(separator: "\n", omittingEmptySubsequences: false).compactMap { line in
      if line.drop(while: { $0 == " " }).hasPrefix("```") {
        isFenced.toggle()
        return nil
      }
      if isFenced || line.hasPrefix("    ") { return nil }
      return line.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 0 }
        .map { String($0.element) }.joined(separator: "`")
    }
  }

  /// Where a document's links lead, images included.
  static func links(_ text: String) -> [String] {
    prose(text).flatMap { line in
      line.split(separator: "](", omittingEmptySubsequences: false).dropFirst().compactMap { rest in
        rest.firstIndex(of: ")").map { String(rest[..<$0]) }
      }
    }
  }

  /// What a link can name behind `#`: the headings, as GitHub writes them.
  static func anchors(_ text: String) -> Set<String> {
    var anchors: Set<String> = []
    var isFenced = false
    for line in text.split(separator: "\n") {
      if line.hasPrefix("```") { isFenced.toggle() }
      let heading = line.drop { $0 == "#" }
      guard !isFenced, line.hasPrefix("#"), heading.first == " " else { continue }
      let slug = String(
        heading.dropFirst().lowercased().compactMap { character -> Character? in
          if character == " " { return "-" }
          return character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
        })
      var anchor = slug
      var number = 0
      while !anchors.insert(anchor).inserted {
        number += 1
        anchor = "\(slug)-\(number)"
      }
    }
    return anchors
  }

  /// A path relative to the project, from one that is relative to a document.
  static func resolve(_ link: String, from document: String) -> String {
    var components = document.split(separator: "/").dropLast().map { String($0) }
    for component in link.split(separator: "/") {
      switch component {
      case ".": break
      case "..": if !components.isEmpty { components.removeLast() }
      default: components.append(String(component))
      }
    }
    return components.joined(separator: "/")
  }
}
