import Output

/// Which pictures a list is to have.
struct PictureFilter: Equatable, Sendable {
  var label: String?
  /// A part of the name, without case.
  var search: String?
  /// The versions of one image: its path as the catalog has it.
  var filePath: String?

  /// A longer text finds nothing that a part of it would not find.
  private static let longestSearch = 200

  init(label: String? = nil, search: String? = nil, filePath: String? = nil) {
    self.label = label.flatMap { $0.isEmpty ? nil : $0 }
    self.search = search.flatMap { $0.isEmpty ? nil : String($0.prefix(Self.longestSearch)) }
    self.filePath = filePath
  }

  /// What the database looks for. It finds at least the pictures that the filter accepts.
  ///
  /// SQLite compares letters of ASCII without case. Other scripts are looked for in the spellings that people use.
  var rows: Catalog.RowFilter {
    var rows = Catalog.RowFilter()
    rows.label = label
    rows.filePath = filePath
    if let search {
      let lower = search.lowercased()
      var spellings = [lower]
      if !search.utf8.allSatisfy({ $0 < 0x80 }) {
        for other in [search, search.uppercased(), lower.prefix(1).uppercased() + lower.dropFirst()]
        where !spellings.contains(where: { $0.utf8.elementsEqual(other.utf8) }) {
          spellings.append(other)
        }
      }
      rows.pathParts = spellings
    }
    return rows
  }

  /// The database looked at the whole path, which begins with the folder of the output.
  func accepts(name: String) -> Bool {
    guard let search else { return true }
    let (text, part) = (Array(name.lowercased().utf8), Array(search.lowercased().utf8))
    return text.count >= part.count
      && (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
  }
}
