/// A version as libraries say it: `2.0.2`, `2.6.1-RC1`. What stands behind the three numbers does not count.
package struct LibraryVersion: Comparable {
  private let numbers: [Int]

  package init(_ text: String) {
    numbers = text.split(separator: ".").prefix(3).map { Int($0.prefix { $0.isNumber }) ?? 0 }
  }

  package static func < (left: LibraryVersion, right: LibraryVersion) -> Bool {
    left.numbers.lexicographicallyPrecedes(right.numbers)
  }
}

extension LibraryVersion: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }
}
