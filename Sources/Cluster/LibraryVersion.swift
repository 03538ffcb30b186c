/// The version of a library, such as `2.0.2` or `2.6.1-RC1`. Only the first three numbers count.
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
