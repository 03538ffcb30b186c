import Testing

@testable import Output
@testable import Platform

@Suite struct StoredIndexTests {
  @Test("the newest row of a name is found") func newestRowIsFound() {
    var index = StoredIndex(capacity: 10)
    for number in 0..<1_000 {
      index.add("\(number % 100)", .init(partition: Int32(number % 7), offset: Int64(number)))
    }
    index.sort()
    for number in 900..<1_000 {
      #expect(index.origin(of: "\(number % 100)") == .init(partition: Int32(number % 7), offset: Int64(number)))
    }
    #expect(index.origin(of: "100") == nil && StoredIndex(capacity: 0).origin(of: "0") == nil)
  }

  @Test("names that differ in composed and decomposed letters are two") func namesAreBytes() {
    var index = StoredIndex(capacity: 2)
    index.add("\u{E9}", .init(partition: 0, offset: 1))
    index.sort()
    #expect(index.origin(of: "e\u{301}") == nil)
  }

  @Test("a sample has different images, or all if there are fewer") func sampleIsDrawn() {
    var (small, large) = (ImageSample(size: 5), ImageSample(size: 50))
    let digest = "x".utf8.withContiguousStorageIfAvailable { SHA256.hash(UnsafeRawBufferPointer($0)) }!
    for number in 0..<20 {
      small.add("\(number)", digest)
      large.add("\(number)", digest)
    }
    #expect(Set(small.images.map(\.name)).count == 5 && large.images.count == 20)
    #expect(ImageSample(size: 0).images.isEmpty)
  }
}
