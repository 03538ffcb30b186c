/// A version as libraries say it: `2.0.2`, `2.6.1-RC1`. What stands behind the three numbers does not count.
struct LibraryVersion: Comparable {
  private let numbers: [Int]

  init(_ text: String) {
    numbers = text.split(separator: ".").prefix(3).map { Int($0.prefix { $0.isNumber }) ?? 0 }
  }

  static func < (left: LibraryVersion, right: LibraryVersion) -> Bool {
    left.numbers.lexicographicallyPrecedes(right.numbers)
  }
}

extension LibraryVersion: ExpressibleByStringLiteral {
  init(stringLiteral text: String) { self.init(text) }
}
