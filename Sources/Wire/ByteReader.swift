/// Reads numbers and texts at offsets of an untrusted buffer. A number is nil if the buffer ends too early.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var count: Int { bytes.count }

  subscript(_ place: Int) -> UInt8? { place >= 0 && place < bytes.count ? bytes[place] : nil }

  func starts(with prefix: [UInt8]) -> Bool {
    bytes.count >= prefix.count && bytes.prefix(prefix.count).elementsEqual(prefix)
  }

  /// The text of `count` bytes at an offset; empty if the buffer ends too early.
  func text(_ place: Int, _ count: Int) -> String {
    has(place, count) ? String(decoding: bytes[place..<place + count], as: UTF8.self) : ""
  }

  func big16(_ place: Int) -> Int? { number(place, 2, big: true) }
  func big32(_ place: Int) -> Int? { number(place, 4, big: true) }
  func little16(_ place: Int) -> Int? { number(place, 2, big: false) }
  func little24(_ place: Int) -> Int? { number(place, 3, big: false) }
  func little32(_ place: Int) -> Int? { number(place, 4, big: false) }

  private func has(_ place: Int, _ count: Int) -> Bool {
    place >= 0 && count <= bytes.count && place <= bytes.count - count
  }

  private func number(_ place: Int, _ count: Int, big: Bool) -> Int? {
    guard has(place, count) else { return nil }
    let part = bytes[place..<place + count]
    return big ? part.reduce(0) { $0 << 8 | Int($1) } : part.reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The boxes of an ISO base media file in `range`, up to the first incomplete one.
  func boxes(_ range: Range<Int>) -> [(type: String, content: Range<Int>)] {
    var boxes: [(String, Range<Int>)] = []
    var place = range.lowerBound
    while place + 8 <= range.upperBound, let size = big32(place) {
      // Size 0: the box extends to the end. Size 1: a 64-bit size follows. Only media data needs that, and nothing of
      // interest follows it.
      let end = size == 0 ? range.upperBound : place + size
      guard size == 0 || size >= 8, end <= range.upperBound else { break }
      boxes.append((text(place + 4, 4), place + 8..<end))
      place = end
    }
    return boxes
  }
}
