/// The part of a resource that a `Range` header asks for (RFC 9110, section 14).
enum HTTPRange: Equatable {
  case whole
  case part(offset: Int, count: Int)
  /// No byte of it exists.
  case none

  /// Several ranges, and what is not understood, mean the whole resource.
  init(_ header: String, size: Int) {
    self = .whole
    guard header.hasPrefix("bytes=") else { return }
    let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return }
    switch (Int(ends[0]), Int(ends[1])) {
    case (let first?, let last?) where first <= last && first < size:
      self = .part(offset: first, count: min(last, size - 1) - first + 1)
    case (let first?, let last?) where first <= last: self = .none
    case (let first?, nil) where ends[1].isEmpty:
      self = first < size ? .part(offset: first, count: size - first) : .none
    case (nil, let count?) where ends[0].isEmpty:
      self = count > 0 && size > 0 ? .part(offset: max(0, size - count), count: min(count, size)) : .none
    default: return
    }
  }

  /// Whether a list of entity tags, as in `If-None-Match`, has this one.
  static func isListed(_ tag: String, in list: String) -> Bool {
    list.split(separator: ",").contains { item in
      let item = item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
      return String(item) == tag || String(item) == "W/" + tag || String(item) == "*"
    }
  }
}
